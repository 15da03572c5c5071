"""Files larger than settings, a message or the broker allow are rejected, and stop no other."""

from pathlib import Path

import pytest
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import RejectedMessageError, TransientError
from runtime.kafka import MAX_MESSAGE_BYTES, OutMessage
from schemas.codec import decode_image_detections
from services.ingest import steps
from services.ingest.app import _KafkaImagePublisher
from services.ingest.handlers.inbox import Inbox
from services.ingest.models import ImageLimits
from services.ingest.steps import (
    check_size,
    most_bytes,
)
from tests.support.fits_images import BAD_IMAGES, make
from tests.support.ingest_files import FakePublisher, dated, handler


@given(max_bytes=st.integers(2880, 1 << 40), data=st.data())
def test_a_file_is_read_as_far_as_it_may_be_large(max_bytes: int, data: st.DataObject) -> None:
    limits = ImageLimits(max_bytes)
    most = most_bytes(limits)
    check_size(data.draw(st.integers(0, most)), limits)
    size = data.draw(st.integers(most + 1, 1 << 50))
    is_setting = most < MAX_MESSAGE_BYTES
    limit = f"limit is {max_bytes} " if is_setting else f"Kafka has at most {MAX_MESSAGE_BYTES}"
    with pytest.raises(RejectedMessageError, match=limit) as refused:
        check_size(size, limits)
    assert str(size) in str(refused.value)
    assert refused.value.reason_code == "too_large"


def test_a_file_larger_than_a_message_is_rejected_and_moved_whatever_the_settings_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "MAX_MESSAGE_BYTES", len(make()))
    inbox, publisher = Inbox(tmp_path), FakePublisher()
    (tmp_path / "large.fits").write_bytes(make() + bytes(2880))
    (tmp_path / "good.fits").write_bytes(make())
    inbox.find_complete()
    found = handler(publisher, max_bytes=200_000_000)
    inbox.publish(inbox.find_complete(), found)
    assert (tmp_path / "rejected" / "large.fits").exists()
    assert (tmp_path / "published" / "good.fits").exists()
    assert found.counts.reasons == {"too_large": 1}
    (letter,) = [each for each in publisher.messages if each.topic == "dead-letters-v1"]
    assert f"a message on Kafka has at most {len(make())}" in str(letter.headers["error"])
    (record,) = [each for each in publisher.messages if each.topic == "detections-v1"]
    assert decode_image_detections(record.value).reasons == ("too_large",)


def test_a_huge_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "huge.fits"
    with path.open("wb") as file:
        file.truncate(1 << 36)  # sparse
    publisher = FakePublisher()
    assert not handler(publisher).publish(path)
    letter = publisher.messages[0]
    assert letter.headers["reason"] == "too_large"
    assert letter.headers["truncated-from"] == str(1 << 36)
    assert len(letter.value) == 1 << 20


def test_a_file_that_the_broker_finds_too_large_is_rejected_when_it_says_so(
    tmp_path: Path,
) -> None:
    inbox, publisher = Inbox(tmp_path), FakePublisher(most=len(make()))
    (tmp_path / "large.fits").write_bytes(make() + bytes(2880))
    (tmp_path / "good.fits").write_bytes(make())
    inbox.find_complete()
    found = handler(publisher)
    inbox.publish(inbox.find_complete(), found)
    assert (tmp_path / "rejected" / "large.fits").exists()
    assert (tmp_path / "published" / "good.fits").exists()
    assert (found.counts.published, found.counts.rejected) == (1, 1)
    assert inbox.find_complete() == []


def test_what_is_too_large_only_together_is_sent_alone(tmp_path: Path) -> None:
    inbox, publisher = Inbox(tmp_path), FakePublisher(most_queued=10)
    for second in range(3):
        (tmp_path / f"{second}.fits").write_bytes(dated(second))
    inbox.find_complete()
    found = handler(publisher)
    inbox.publish(inbox.find_complete(), found)
    assert [each.value for each in publisher.messages] == [dated(second) for second in range(3)]
    assert (found.counts.published, found.counts.rejected) == (3, 0)
    assert len(list((tmp_path / "published").iterdir())) == 3


def test_what_the_broker_refuses_waits_while_it_is_away(tmp_path: Path) -> None:
    inbox, publisher = Inbox(tmp_path), FakePublisher(most=10)
    (tmp_path / "large.fits").write_bytes(make())
    inbox.find_complete()
    complete, found = inbox.find_complete(), handler(publisher)
    publisher.is_away = True
    with pytest.raises(TransientError):
        inbox.publish(complete, found)
    publisher.is_away = False
    inbox.publish(complete, found)
    assert found.counts.rejected == 1
    assert (tmp_path / "rejected" / "large.fits").exists()


def test_a_dead_letter_that_its_topic_does_not_take_goes_without_its_bytes(
    tmp_path: Path,
) -> None:
    path = tmp_path / "image.fits"
    path.write_bytes(dict(BAD_IMAGES)["no_date"])
    publisher = FakePublisher(most_of_dead_letters=1000)
    assert not handler(publisher).publish(path)
    letter, record = publisher.messages
    assert (letter.value, letter.headers["reason"]) == (b"", "no_date")
    assert letter.headers["truncated-from"] == str(path.stat().st_size)
    assert decode_image_detections(record.value).reasons == ("no_date",)


@pytest.mark.parametrize("n_bytes", [1900, 2000, 3000])
def test_what_the_client_finds_too_large_is_rejected_with_the_limit(n_bytes: int) -> None:
    publisher = _KafkaImagePublisher(
        Producer({"bootstrap.servers": "127.0.0.1:1", "message.max.bytes": 2000, "log_level": 0})
    )
    message = OutMessage("images-v1", b"k" * 200, bytes(n_bytes))

    def refuse(_: object) -> None:
        pytest.fail("it was queued")

    with pytest.raises(RejectedMessageError, match=f"{n_bytes} bytes, .* images-v1 as many as"):
        publisher.send(message, refuse)
    with pytest.raises(RejectedMessageError, match="at most 100000000 bytes of us"):
        publisher.send_and_locate(message)

"""Files to messages: what is published, what is refused, and in which order."""

import gzip
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from runtime.attempts import AttemptLog
from runtime.errors import TransientError
from runtime.in_flight import InFlight, MessageLimits
from runtime.kafka import OutMessage
from schemas.codec import decode_image_detections
from schemas.streams import to_stream_name
from services.ingest import steps
from services.ingest.errors import NoFilesError
from services.ingest.handlers import files
from services.ingest.handlers.inbox import Inbox
from services.ingest.models import OnDone, PreparedImage
from services.ingest.steps import (
    find_files,
    order_by_time,
    prepare_image,
)
from sky.fits import FitsImage, parse_fits
from tests.support.fits_images import BAD_IMAGES, make, several_images
from tests.support.ingest_files import FakePublisher, dated, handler


def test_a_good_file_is_published_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "image.fits"
    path.write_bytes(make())
    publisher = FakePublisher()
    found = handler(publisher)
    assert found.publish(path)
    (message,) = publisher.messages
    assert message.topic == "images-v1"
    assert message.key == b"my-stream:1400.000MHz"
    assert message.value == make()
    assert message.headers["image-id"] == hashlib.sha256(make()).hexdigest()
    assert message.headers["stream"] == "my-stream"
    assert found.counts.published == 1


def test_injected_cards_become_headers(tmp_path: Path) -> None:
    path = tmp_path / "image.fits"
    data = dict(BAD_IMAGES)["no_beam"]
    path.write_bytes(data)
    publisher = FakePublisher()
    assert handler(publisher, BMAJ="0.05").publish(path)
    (message,) = publisher.messages
    assert message.value == data
    assert message.headers["fits:BMAJ"] == "0.05"
    assert message.headers["image-id"] != message.headers["sha256"]


def test_a_bad_file_becomes_a_dead_letter_and_a_rejection_record(tmp_path: Path) -> None:
    path = tmp_path / "image.fits"
    path.write_bytes(dict(BAD_IMAGES)["no_date"])
    publisher = FakePublisher()
    assert not handler(publisher).publish(path)
    letter, record = publisher.messages
    assert letter.topic == "dead-letters-v1"
    assert letter.headers["topic"] == "images-v1"
    assert letter.headers["reason"] == "no_date"
    assert letter.headers["file"] == "image.fits"
    recorded = decode_image_detections(record.value)
    assert (recorded.verdict, recorded.reasons) == ("rejected", ("no_date",))
    assert (recorded.source.partition, recorded.source.offset) == (3, 0)


def test_the_dead_letter_of_a_file_beyond_the_limit_has_its_header(tmp_path: Path) -> None:
    path = tmp_path / "huge.fits"
    path.write_bytes(b"\0" * (3 << 20))
    publisher = FakePublisher()
    assert not handler(publisher).publish(path)
    letter = publisher.messages[0]
    assert len(letter.value) == 1 << 20
    assert letter.headers["truncated-from"] == str(3 << 20)


def test_a_file_that_cannot_be_read_is_rejected(tmp_path: Path) -> None:
    publisher = FakePublisher()
    assert not handler(publisher).publish(tmp_path / "gone.fits")
    assert publisher.messages[0].headers["reason"] == "unreadable"


def test_a_defect_that_one_file_meets_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for second in range(3):
        (tmp_path / f"{second}.fits").write_bytes(dated(second))
    n_met = 0

    def defective(data: bytes, **rules: Any) -> PreparedImage:
        nonlocal n_met
        if data == dated(1):
            n_met += 1
            raise ZeroDivisionError("in a step")
        return prepare_image(data, **rules)

    monkeypatch.setattr(files, "prepare_image", defective)
    publisher = FakePublisher()
    found = handler(publisher)
    results = [found.publish(tmp_path / f"{second}.fits") for second in range(3)]
    assert results == [True, False, True]
    assert n_met == 2
    assert found.counts.reasons == {"internal_error": 1}
    (letter,) = [each for each in publisher.messages if each.topic == "dead-letters-v1"]
    assert "ZeroDivisionError: in a step" in str(letter.headers["error"])


def test_a_defect_that_is_met_once_rejects_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "image.fits").write_bytes(make())
    calls = iter([MemoryError("once"), None])

    def defective(data: bytes, **rules: Any) -> PreparedImage:
        if (error := next(calls)) is not None:
            raise error
        return prepare_image(data, **rules)

    monkeypatch.setattr(files, "prepare_image", defective)
    assert handler(FakePublisher()).publish(tmp_path / "image.fits")


@pytest.fixture
def in_flight(tmp_path: Path) -> Iterator[InFlight]:
    counted = InFlight(AttemptLog(tmp_path / "state", group="g"), MessageLimits(max_attempts=1))
    yield counted
    counted.close()


def test_the_bytes_of_a_file_are_hashed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_flight: InFlight
) -> None:
    (tmp_path / "image.fits").write_bytes(make())
    sizes: list[int] = []
    sha256 = hashlib.sha256

    def counted(data: bytes) -> Any:
        sizes.append(len(data))
        return sha256(data)

    monkeypatch.setattr(hashlib, "sha256", counted)
    assert handler(FakePublisher(), in_flight=in_flight).publish(tmp_path / "image.fits")
    assert [size for size in sizes if size >= len(make())] == [len(make())]


def test_a_file_that_ended_a_process_is_tried_again_when_it_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_flight: InFlight
) -> None:
    (tmp_path / "image.fits").write_bytes(make())
    # What a process leaves that is killed while it works at a file.
    monkeypatch.setattr(AttemptLog, "end", lambda *_: None)
    publisher = FakePublisher()
    found = handler(publisher, in_flight=in_flight)
    assert found.publish(tmp_path / "image.fits")
    assert not found.publish(tmp_path / "image.fits")
    assert publisher.messages[1].headers["reason"] == "killed_the_process"
    (tmp_path / "image.fits").write_bytes(dated(1))
    os.utime(tmp_path / "image.fits", (1, 1))
    assert found.publish(tmp_path / "image.fits")


def test_a_file_whose_time_nobody_can_tell_comes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"{second}.fits" for second in range(3)]
    for second, path in enumerate(paths):
        path.write_bytes(dated(second))

    def defective(data: bytes, cards: Mapping[str, str]) -> FitsImage:
        if b"00:00:01" in data:
            raise ZeroDivisionError("in the header")
        return parse_fits(data, cards)

    monkeypatch.setattr(steps, "parse_fits", defective)
    assert order_by_time(paths, {}) == [paths[0], paths[2], paths[1]]


def test_a_broker_that_does_not_accept_a_file_ends_the_run(tmp_path: Path) -> None:
    path = tmp_path / "image.fits"
    path.write_bytes(make())
    publisher = FakePublisher()
    publisher.is_away = True
    with pytest.raises(TransientError, match="earlier files are published"):
        handler(publisher).publish(path)


def test_files_are_published_in_the_order_of_their_exposures(tmp_path: Path) -> None:
    for name, second in (("a", 3), ("b", 1), ("c", 2)):
        (tmp_path / f"{name}.fits").write_bytes(dated(second))
    (tmp_path / "d.fits").write_bytes(make(drop=("DATE-OBS",)))
    (tmp_path / "notes.txt").write_text("not an image")
    ordered = order_by_time(find_files([tmp_path]).images, {})
    assert [path.name for path in ordered] == ["b.fits", "c.fits", "a.fits", "d.fits"]


def test_images_of_a_directory_are_known_by_their_content(tmp_path: Path) -> None:
    (tmp_path / "a.imfits").write_bytes(make())
    (tmp_path / "b.fits.gz").write_bytes(gzip.compress(make()))
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "c.fits").write_text("no image either")
    found = find_files([tmp_path])
    assert [path.name for path in found.images] == ["a.imfits", "b.fits.gz"]
    assert [path.name for path in found.skipped] == ["c.fits", "notes.txt"]


def test_a_path_without_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NoFilesError, match="nothing to ingest"):
        find_files([tmp_path / "nothing*"])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("LOFAR HBA", "lofar-hba"),
        ("  ", None),
        ("\x00", None),
        ("x" * 99, "x" * 64),
        ("Ø-1", "1"),
        ("KAT-7", "kat-7"),
    ],
)
def test_stream_names_have_letters_digits_dots_and_dashes(text: str, name: str | None) -> None:
    assert to_stream_name(text) == name


def test_the_inbox_publishes_a_file_once_it_no_longer_changes_and_moves_it(tmp_path: Path) -> None:
    inbox, publisher = Inbox(tmp_path), FakePublisher()
    path = tmp_path / "growing.fits"
    path.write_bytes(make()[:5000])
    assert inbox.find_complete() == []
    path.write_bytes(make())
    (tmp_path / "bad.fits").write_bytes(b"junk")
    (tmp_path / ".hidden").write_bytes(make())
    assert inbox.find_complete() == []
    complete = inbox.find_complete()
    assert {each.name for each in complete} == {"growing.fits", "bad.fits"}
    inbox.publish(complete, handler(publisher))
    assert (tmp_path / "published" / "growing.fits").exists()
    assert (tmp_path / "rejected" / "bad.fits").exists()
    assert inbox.find_complete() == []


def test_a_full_inbox_asks_whether_to_end_between_few_files(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    for number in range(70):
        (tmp_path / f"{number}.fits").write_bytes(b"junk")
    inbox.find_complete()
    answers: list[bool] = []

    def is_stopping() -> bool:
        answers.append(False)
        return len(answers) > 4

    assert [len(files) for files in inbox.take_turns(is_stopping)] == [32, 32, 6]
    assert len(answers) == 3
    assert [len(files) for files in inbox.take_turns(is_stopping)] == [32]


def test_the_inbox_keeps_files_that_kafka_did_not_accept(tmp_path: Path) -> None:
    inbox, publisher = Inbox(tmp_path), FakePublisher()
    path = tmp_path / "image.fits"
    path.write_bytes(make())
    inbox.find_complete()
    publisher.is_away = True
    with pytest.raises(TransientError):
        inbox.publish(inbox.find_complete(), handler(publisher))
    assert path.exists()
    publisher.is_away = False
    inbox.publish(inbox.find_complete(), handler(publisher))
    assert len(publisher.messages) == 1


def test_images_of_a_file_that_are_not_measured_are_named(tmp_path: Path) -> None:
    publisher, said = FakePublisher(), dict[str, list[str]]()
    (tmp_path / "a.fits").write_bytes(several_images())
    (tmp_path / "b.fits").write_bytes(make())
    files = handler(publisher, passed_over=said)
    assert files.publish(tmp_path / "a.fits")
    assert files.publish(tmp_path / "b.fits")
    assert said == {"a.fits": ["SPECTRUM", "BAND1_RMS", "AGAIN"]}


def test_a_defect_in_sending_one_file_stops_no_other(tmp_path: Path) -> None:
    class Defective(FakePublisher):
        def send(self, message: OutMessage, on_done: OnDone) -> None:
            if message.value == dated(1):
                raise ZeroDivisionError("in the client")
            super().send(message, on_done)

    for second in range(3):
        (tmp_path / f"{second}.fits").write_bytes(dated(second))
    found = handler(Defective())
    results = [found.publish(tmp_path / f"{second}.fits") for second in range(3)]
    assert results == [True, False, True]
    assert found.counts.reasons == {"internal_error": 1}

"""The way to Kafka and back: has this alert been sent already?"""

import asyncio
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pytest

from runtime.advisory_lock import FENCE_S
from runtime.errors import FatalError, TransientError
from runtime.kafka import InMessage, create_producer, ensure_topics, fence_topics
from runtime.settings import KafkaSettings
from schemas.topics import Topics
from services.alert.app.sender import KafkaSender
from services.alert.models import LowWatermark, StoredAlert
from tests.support.vtp_service import wait_until


def alert(number: int, mark: LowWatermark | None = None) -> StoredAlert:
    return StoredAlert(
        number, f"ivo://org.test/night#trig{number}.0", f"trig{number}", "observation", b"<a/>",
        b"{}", mark or {}, is_published=False, latency_s=None,
        may_be_sent=True, avro_packet=b"\0",
    )  # fmt: skip


@pytest.fixture
def settings(kafka_bootstrap: str) -> KafkaSettings:
    made = KafkaSettings(
        bootstrap_servers=kafka_bootstrap, topic_prefix=f"{uuid.uuid4().hex}.", partitions=3
    )
    ensure_topics(made)
    return made


def has_leaders(sender: KafkaSender) -> bool:
    try:
        sender._read_ends()
        sender._read_lag()
    except TransientError:
        return False
    return True


def is_fenced(sender: KafkaSender) -> bool:
    try:
        return fence_topics(sender._settings, sender._alert_topics, longest_s=FENCE_S)
    except TransientError:
        return False


@pytest.fixture
def sender(settings: KafkaSettings) -> Iterator[KafkaSender]:
    made = KafkaSender(settings, group="livetrap-alert")
    wait_until(lambda: has_leaders(made), what="leaders of the new topics")
    yield made
    made.close()


async def ends(sender: KafkaSender) -> LowWatermark:
    # A broker that applies what was changed of a topic may say for a moment that it does not lead.
    async with asyncio.timeout(60):
        while True:
            with suppress(TransientError):
                await sender.read_ends()
                return sender.known_ends()
            await asyncio.sleep(0.1)


async def test_it_finds_what_it_sent_and_nothing_else(
    sender: KafkaSender, settings: KafkaSettings
) -> None:
    topics = Topics(settings.topic_prefix)
    every = {topics.alerts_voevent, topics.alerts_gcn, topics.alerts_avro}
    start = await ends(sender)
    assert set(start) == {f"{name}/0" for name in every}
    await sender.send([alert(0)], {})
    middle = await ends(sender)
    await sender.send([alert(number) for number in range(1, 30)], {})
    found = await sender.find_sent([alert(17, middle), alert(29, start), alert(99, start)])
    assert found == {alert(17).ivorn: every, alert(29).ivorn: every, alert(99).ivorn: set()}
    assert await sender.find_sent([alert(0, middle)]) == {alert(0).ivorn: set()}
    end = await ends(sender)
    assert await sender.find_sent([alert(17, end)]) == {alert(17).ivorn: set()}
    assert set(end.values()) == {30}


async def test_it_sends_only_where_it_is_missing(
    sender: KafkaSender, settings: KafkaSettings
) -> None:
    topics = Topics(settings.topic_prefix)
    start = await ends(sender)
    pair = [alert(0, start), alert(1, start)]
    await sender.send(pair, {alert(0).ivorn: {topics.alerts_gcn}})
    assert await sender.find_sent(pair) == {
        alert(0).ivorn: {topics.alerts_voevent, topics.alerts_avro},
        alert(1).ivorn: {topics.alerts_voevent, topics.alerts_gcn, topics.alerts_avro},
    }


async def test_a_mark_of_topics_that_were_made_anew_is_no_hindrance(sender: KafkaSender) -> None:
    start = dict.fromkeys(await ends(sender), 1000000)
    await sender.send([alert(0)], {})
    for mark in (start, {}):
        assert len((await sender.find_sent([alert(0, mark)]))[alert(0).ivorn]) == 3


async def test_topics_that_a_broker_does_not_name_yet_are_not_taken_for_empty_ones(
    settings: KafkaSettings,
) -> None:
    unknown = settings.model_copy(update={"topic_prefix": f"{uuid.uuid4().hex}."})
    message = InMessage(Topics(unknown.topic_prefix).transients, 0, 7, b"", b"")
    sender = KafkaSender(unknown, group="livetrap-alert")
    try:
        for question in (
            sender.read_ends,
            sender.read_lag,
            sender.count_partitions,
            partial(sender.find_sent, [alert(0)]),
            partial(sender.find_lost, [message]),
        ):
            with pytest.raises(TransientError, match="the broker does not know"):
                await question()
    finally:
        sender.close()


async def test_lag_is_what_was_never_committed(
    sender: KafkaSender, settings: KafkaSettings
) -> None:
    lag, committed = await sender.read_lag()
    assert lag == 0
    assert len(committed) == settings.partitions
    producer = create_producer(settings)
    for _ in range(5):
        producer.produce(Topics(settings.topic_prefix).transients, value=b"x")
    assert producer.flush(60) == 0
    assert (await sender.read_lag())[0] == 5


async def test_a_broker_that_is_not_there_is_worth_another_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.alert.app.sender._TIMEOUT_S", 0.3)
    nowhere = KafkaSender(KafkaSettings(bootstrap_servers="127.0.0.1:1"), group="g")
    with pytest.raises(TransientError):
        await nowhere.read_ends()
    with pytest.raises(TransientError):
        await nowhere.find_sent([alert(0)])
    with pytest.raises(TransientError):
        await nowhere.read_lag()
    for _ in range(50):
        nowhere.send_heartbeat(b"{}")
    assert len(nowhere._producer) <= 5
    nowhere.close()


async def test_dead_letters_of_another_cluster_are_not_sent(settings: KafkaSettings) -> None:
    sent: list[object] = []

    class Letters:
        def send(self, producer: object, **_: object) -> None:
            sent.append(producer)

    other = KafkaSender(settings.model_copy(update={"cluster_id": "another"}), group="g")
    with pytest.raises(FatalError, match="another"):
        await other.send_dead_letters(Letters())  # type: ignore[arg-type]
    assert not sent
    other.close()


class SlowClock:
    """A clock that went on while its process stood still."""

    def __init__(self, age_s: float) -> None:
        self._age_s = age_s

    def now_ms(self) -> int:
        return int(1000 * (time.time() - self._age_s))


async def test_what_was_allowed_too_long_ago_is_refused_and_can_be_sent_again(
    sender: KafkaSender,
) -> None:
    wait_until(lambda: is_fenced(sender), what="a broker that knows the new topics")
    await sender.fence(b"{}")  # again, as each process does
    start, clock = await ends(sender), sender._clock
    sender._clock = SlowClock(FENCE_S + 1.0)  # type: ignore[assignment]
    with pytest.raises(TransientError, match=r"Invalid timestamp|failed to validate"):
        await sender.send([alert(number) for number in range(20)], {})
    assert await ends(sender) == start
    sender._clock = clock
    await sender.send([alert(number) for number in range(20)], {})
    assert {mark - start[name] for name, mark in (await ends(sender)).items()} == {20}


def test_a_topic_that_is_not_known_yet_is_fenced_later(settings: KafkaSettings) -> None:
    with pytest.raises(TransientError, match="does not fence"):
        fence_topics(settings, ["soon"], longest_s=FENCE_S)


async def test_the_age_of_an_alert_is_told_by_the_clock_of_the_broker(
    sender: KafkaSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    right_s = time.time()
    monkeypatch.setattr("runtime.kafka.broker_clock.time.time", lambda: right_s - 3600.0)
    wait_until(lambda: is_fenced(sender), what="a broker that knows the new topics")
    await sender.fence(b"{}")
    start = await ends(sender)
    await sender.send([alert(0)], {})  # although the clock of this machine is an hour slow
    assert {mark - start[name] for name, mark in (await ends(sender)).items()} == {1}


async def test_a_process_that_loses_the_lead_while_it_waits_sends_nothing_more(
    settings: KafkaSettings,
) -> None:
    answers = iter([True] * 3)
    lost = KafkaSender(
        settings.model_copy(update={"bootstrap_servers": "127.0.0.1:1"}),
        group="g", is_leader=lambda: next(answers, False),
    )  # fmt: skip
    with pytest.raises(TransientError, match="another process"):
        await lost.send([alert(0)], {})
    assert len(lost._producer) == 0

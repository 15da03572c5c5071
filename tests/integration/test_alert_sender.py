"""The way to Kafka and back: has this alert been sent already?"""

import uuid
from collections.abc import Iterator

import pytest

from runtime.errors import TransientError
from runtime.kafka import create_producer, ensure_topics
from runtime.settings import KafkaSettings
from schemas.topics import Topics
from services.alert.app.sender import KafkaSender
from services.alert.models import StoredAlert
from tests.support.vtp_service import wait_until


def alert(number: int, role: str = "observation") -> StoredAlert:
    return StoredAlert(
        number, f"ivo://org.test/night#trig{number}.0", f"trig{number}", role, b"<a/>", b"{}",
        None, is_published=False, is_broadcast=False, latency_s=None,
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


@pytest.fixture
def sender(settings: KafkaSettings) -> Iterator[KafkaSender]:
    made = KafkaSender(settings, group="livetrap-alert")
    wait_until(lambda: has_leaders(made), what="leaders of the new topics")
    yield made
    made.close()


async def test_it_finds_what_it_sent_and_nothing_else(
    sender: KafkaSender, settings: KafkaSettings
) -> None:
    topics = Topics(settings.topic_prefix)
    both = frozenset({topics.alerts_voevent, topics.alerts_gcn})
    start = await sender.read_ends()
    assert set(start) == {f"{name}/0" for name in both}
    for number in range(30):
        await sender.send(alert(number), frozenset())
    assert await sender.find_sent(alert(17).ivorn, start) == both
    assert await sender.find_sent(alert(99).ivorn, start) == frozenset()
    end = await sender.read_ends()
    assert await sender.find_sent(alert(17).ivorn, end) == frozenset()
    assert set(end.values()) == {30}


async def test_it_sends_only_where_it_is_missing(
    sender: KafkaSender, settings: KafkaSettings
) -> None:
    topics = Topics(settings.topic_prefix)
    start = await sender.read_ends()
    await sender.send(alert(0), frozenset({topics.alerts_gcn}))
    assert await sender.find_sent(alert(0).ivorn, start) == {topics.alerts_voevent}


async def test_a_mark_of_topics_that_were_made_anew_is_no_hindrance(sender: KafkaSender) -> None:
    start = dict.fromkeys(await sender.read_ends(), 1000000)
    await sender.send(alert(0), frozenset())
    assert len(await sender.find_sent(alert(0).ivorn, start)) == 2
    assert len(await sender.find_sent(alert(0).ivorn, {})) == 2


async def test_lag_is_what_was_never_committed(
    sender: KafkaSender, settings: KafkaSettings
) -> None:
    lag, committed = await sender.read_lag()
    assert lag == 0
    assert len(committed) == settings.partitions
    producer = create_producer(settings)
    for _ in range(5):
        producer.produce(Topics(settings.topic_prefix).transients, value=b"x")
    producer.flush(10)
    assert (await sender.read_lag())[0] == 5


async def test_a_broker_that_is_not_there_is_worth_another_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.alert.app.sender._TIMEOUT_S", 0.3)
    nowhere = KafkaSender(KafkaSettings(bootstrap_servers="127.0.0.1:1"), group="g")
    with pytest.raises(TransientError):
        await nowhere.read_ends()
    with pytest.raises(TransientError):
        await nowhere.find_sent("x", {})
    with pytest.raises(TransientError):
        await nowhere.read_lag()
    for _ in range(50):
        nowhere.send_heartbeat(b"{}")
    assert len(nowhere._producer) <= 5
    nowhere.close()

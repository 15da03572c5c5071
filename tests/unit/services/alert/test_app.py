"""The parts of the composition root that decide something."""

import asyncio

import faust
import pytest

from runtime.kafka import InMessage
from runtime.settings import KafkaSettings
from services.alert.app.stream import EventQueue, _credentials
from services.alert.app.watchdog import STANDSTILL_S, Watchdog


def test_events_that_wait_for_a_minute_are_noticed() -> None:
    watchdog = Watchdog(0.0)
    assert not watchdog.is_stuck(5, (10, 20), 10.0)
    assert not watchdog.is_stuck(5, (10, 20), 10.0 + STANDSTILL_S)
    assert watchdog.is_stuck(5, (10, 20), 10.1 + STANDSTILL_S)


@pytest.mark.parametrize(("lag", "committed"), [(0, (10,)), (7, (11,))])
def test_no_lag_or_any_progress_is_fine(lag: int, committed: tuple[int, ...]) -> None:
    watchdog = Watchdog(0.0)
    watchdog.is_stuck(5, (10,), 0.0)
    assert not watchdog.is_stuck(lag, committed, 10 * STANDSTILL_S)


def test_attempts_while_a_dependency_is_away_are_no_standstill() -> None:
    watchdog = Watchdog(0.0)
    for now_s in range(0, 1000, 30):
        watchdog.record_attempt(float(now_s))
        assert not watchdog.is_stuck(5, (10,), now_s + 10.0)


def test_faust_logs_in_as_librdkafka_does() -> None:
    assert _credentials(KafkaSettings()) is None
    assert isinstance(_credentials(KafkaSettings(security_protocol="ssl")), faust.SSLCredentials)
    login = {"sasl_mechanism": "SCRAM-SHA-256", "sasl_username": "me", "sasl_password": "x"}
    for protocol in ("SASL_PLAINTEXT", "SASL_SSL"):
        made = _credentials(KafkaSettings(security_protocol=protocol, **login))
        assert isinstance(made, faust.SASLCredentials)
        assert (made.protocol.value, made.mechanism.value) == (protocol, "SCRAM-SHA-256")
        assert (made.username, made.password) == ("me", "x")
        assert (made.ssl_context is None) == (protocol == "SASL_PLAINTEXT")


class FakeEvent:
    """An event of faust, as far as it is read."""

    def __init__(self, offset: int) -> None:
        self.message = self
        self.topic, self.partition, self.offset = "transients-v1", 0, offset
        self.key, self.value, self.headers = b"night", b"%d" % offset, {"a": b"b"}


class FakeStream:
    """A stream of events that come as fast as they are read."""

    def __init__(self, n: int) -> None:
        self.events_to_come = [FakeEvent(offset) for offset in range(n)]
        self.n_read = 0
        self.acknowledged: list[int] = []

    def noack(self) -> "FakeStream":
        return self

    async def events(self):
        for event in self.events_to_come:
            self.n_read += 1
            yield event

    async def ack(self, event: FakeEvent) -> None:
        self.acknowledged.append(event.offset)


async def test_events_are_handled_together_and_acknowledged_when_they_are_done() -> None:
    stream, events = FakeStream(1000), EventQueue()
    batches: list[list[int]] = []
    may_go_on = asyncio.Event()

    async def on_events(messages: list[InMessage]) -> None:
        batches.append([message.offset for message in messages])
        assert messages[0].headers == {"a": "b"}
        if len(batches) == 1:
            await may_go_on.wait()

    reading = asyncio.create_task(events.read(stream))
    working = asyncio.create_task(events.run(on_events))
    async with asyncio.timeout(60):
        while not batches or stream.n_read < 2 * len(batches[0]):  # noqa: ASYNC110
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        assert stream.acknowledged == []
        assert stream.n_read <= len(batches[0]) + 201  # read ahead by one batch, no more
        may_go_on.set()
        while len(stream.acknowledged) < 1000:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert stream.acknowledged == list(range(1000))
    assert [offset for batch in batches for offset in batch] == list(range(1000))
    assert 1000 / 200 <= len(batches) < 20
    for task in (reading, working):
        task.cancel()
    await asyncio.gather(reading, working, return_exceptions=True)


async def test_what_fails_is_not_acknowledged_and_nothing_follows_it() -> None:
    stream, events = FakeStream(3), EventQueue()

    async def on_events(_: list[InMessage]) -> None:
        raise ZeroDivisionError("a defect")

    reading = asyncio.create_task(events.read(stream))
    with pytest.raises(ZeroDivisionError):
        await events.run(on_events)
    await reading
    assert stream.acknowledged == []

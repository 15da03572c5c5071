"""Whatever fails in a part of the service: it is logged, one thing ends, the rest goes on."""

from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from runtime.dead_letters import DeadLetters
from runtime.errors import FatalError, TransientError
from runtime.kafka import InMessage
from runtime.metrics import DEAD_LETTERS
from runtime.settings import VtpSettings
from services.distribute.handlers import alerts as alerts_module
from services.distribute.handlers import relay as relay_module
from services.distribute.handlers.alerts import AlertHandler
from services.distribute.handlers.relay import SubmissionRelay
from services.distribute.handlers.subscriber import Subscriber
from services.distribute.handlers.vtp import VtpServer
from services.distribute.models import (
    AlertKey,
    Delivery,
    Submission,
    SubscriberState,
    VtpDocument,
)
from tests.support.defects import DEFECTS, Breaking, named, running, until
from tests.support.in_flight import new_in_flight
from tests.support.vtp import VtpClient, transport
from tests.support.vtp_log import MemoryDeliveryStore, memory_log


def packet(number: int) -> bytes:
    return b'<VOEvent ivorn="ivo://org.test/night#%d"/>' % number


def ivorn(number: int) -> str:
    return f"ivo://org.test/night#{number}"


pytestmark = pytest.mark.usefixtures("logs")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat what failed at once."""
    for module, names in (
        (alerts_module, ["_CHECK_INTERVAL_S"]),
        (relay_module, ["_MARK_INTERVAL_S", "_POLL_INTERVAL_S"]),
    ):
        for name in names:
            monkeypatch.setattr(module, name, 0.002)


class AlertRows:
    """Rows 1 to `n`."""

    def __init__(self, breaks: dict[str, Breaking] | None = None) -> None:
        self.n = 0
        self.breaks = breaks or {}

    def _step(self, name: str) -> None:
        if name in self.breaks:
            self.breaks[name]()

    async def get_last_id(self) -> int:
        self._step("get_last_id")
        return self.n

    async def list_keys(self, after_id: int, *, limit: int) -> list[AlertKey]:
        self._step("list_keys")
        return [AlertKey(row, ivorn(row)) for row in range(after_id + 1, self.n + 1)][:limit]

    async def select_packets(self, ids: Sequence[int]) -> dict[str, bytes]:
        self._step("select_packets")
        return {ivorn(row): packet(row) for row in ids}


def alert_handler(
    store: AlertRows, broadcast: Callable[[str, bytes], int]
) -> tuple[AlertHandler, DeadLetters]:
    letters = DeadLetters(topic="dead-letters-v1", service="distribute")
    handler = AlertHandler(
        store,  # type: ignore[arg-type]
        broadcast=broadcast,
        wake=lambda: None,
        dead_letters=letters,
        in_flight=new_in_flight(),
    )
    return handler, letters


@pytest.mark.parametrize("error", DEFECTS, ids=named)
def test_an_alert_whose_broadcast_fails_twice_is_a_dead_letter(
    error: Exception, logs: list[MutableMapping[str, Any]]
) -> None:
    heard: list[str] = []
    breaks = Breaking(error, times=2)

    def broadcast(name: str, _: bytes) -> int:
        if name == ivorn(1):
            breaks()
        heard.append(name)
        return 1

    handler, letters = alert_handler(AlertRows(), broadcast)
    before = DEAD_LETTERS.labels("distribute", "internal_error")._value.get()
    for number in (1, 2):
        handler.on_message(InMessage("alerts-voevent-v1", 0, number, b"", packet(number)))
    assert heard == [ivorn(2)]
    (letter,) = letters.pending
    assert letter.headers["reason"] == "internal_error"
    assert named(error) in str(letter.headers["error"])
    assert DEAD_LETTERS.labels("distribute", "internal_error")._value.get() == before + 1
    (failed,) = [each for each in logs if each["event"] == "message_failed"]
    assert failed["exc_info"]
    assert failed["log_level"] == "error"


@pytest.mark.parametrize("error", DEFECTS[:3], ids=named)
def test_an_alert_whose_broadcast_fails_once_is_broadcast(error: Exception) -> None:
    heard: list[str] = []
    breaks = Breaking(error)

    def broadcast(name: str, _: bytes) -> int:
        breaks()
        heard.append(name)
        return 1

    handler, letters = alert_handler(AlertRows(), broadcast)
    handler.on_message(InMessage("alerts-voevent-v1", 0, 1, b"", packet(1)))
    assert (heard, letters.pending) == ([ivorn(1)], ())


@pytest.mark.parametrize("step", ["get_last_id", "list_keys", "select_packets", "broadcast"])
@pytest.mark.parametrize("error", [*DEFECTS, TransientError("away")], ids=named)
async def test_the_check_of_the_database_goes_on_after_a_failure(
    step: str, error: Exception
) -> None:
    heard: list[str] = []
    breaks = Breaking(error)

    def broadcast(name: str, _: bytes) -> int:
        if step == "broadcast" and name == ivorn(1):
            breaks()
        heard.append(name)
        return 1

    store = AlertRows({step: breaks})
    handler, _ = alert_handler(store, broadcast)
    breaks.times = 0
    await handler.start()
    store.n, breaks.times = 2, 1
    async with running(handler.run()):
        await until(lambda: ivorn(2) in heard)
    assert heard == [ivorn(1), ivorn(2)] or (step, heard) == ("broadcast", [ivorn(2)])
    assert breaks.times == 0


async def test_a_missing_migration_ends_the_process() -> None:
    handler, _ = alert_handler(
        AlertRows({"get_last_id": Breaking(FatalError("migrate"))}), lambda *_: 0
    )
    with pytest.raises(FatalError, match="migrate"):
        await handler.run()


class SubmissionRows:
    def __init__(self, breaks: dict[str, Breaking]) -> None:
        self.breaks = breaks
        self.marked: list[int] = []

    def _step(self, name: str) -> None:
        if name in self.breaks:
            self.breaks[name]()

    async def list_unrelayed(self, *, done: Sequence[int], **_: object) -> list[Submission]:
        self._step("list_unrelayed")
        return [Submission(row, ivorn(row), packet(row)) for row in (1, 2) if row not in done]

    async def mark_relayed(self, ids: Sequence[int]) -> None:
        self._step("mark_relayed")
        self.marked += ids

    async def delete_older(self, _: object) -> None:
        self._step("delete_older")


@pytest.mark.parametrize("step", ["list_unrelayed", "mark_relayed", "delete_older", "broadcast"])
@pytest.mark.parametrize("error", [*DEFECTS, TransientError("away")], ids=named)
async def test_the_relay_goes_on_after_a_failure_at_any_step(
    step: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "_MARK_AGE_S", 0.0)
    heard: list[bytes] = []
    breaks = Breaking(error)
    store = SubmissionRows({step: breaks})

    def broadcast(data: bytes) -> int:
        if step == "broadcast":
            breaks()
        heard.append(data)
        return 1

    relay = SubmissionRelay(store, broadcast)  # type: ignore[arg-type]
    async with running(relay.run()):
        await until(lambda: packet(2) in heard and len(store.marked) == 2 and not breaks.times)


@pytest.mark.parametrize("error", DEFECTS, ids=named)
async def test_a_record_that_cannot_be_stored_does_not_take_others_with_it(
    error: Exception,
) -> None:
    class Store(MemoryDeliveryStore):
        async def record(self, deliveries: Sequence[Delivery]) -> None:
            if any(each.subscriber == "bad" for each in deliveries):
                raise error
            await super().record(deliveries)

    store = Store()
    log = memory_log(store)
    names = [f"robot-{number}" for number in range(9)]
    names.insert(4, "bad")
    for name in names:
        await log.record_acknowledged("ivo://a#0", name)
    async with running(log.run()):
        await until(lambda: len(store.recorded) == 9)
    assert [each.subscriber for each in store.recorded] == [n for n in names if n != "bad"]


class CatchUpStore(MemoryDeliveryStore):
    """Fails when a subscriber comes back."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    async def ensure_subscriber(self, _channel: str, _name: str) -> SubscriberState:
        raise self.error


@asynccontextmanager
async def vtp_server(store: MemoryDeliveryStore | None = None) -> AsyncIterator[VtpServer]:
    settings = VtpSettings(port=0).model_copy(update={"host": "127.0.0.1"})
    server = VtpServer(settings, "org.test", log=memory_log(store))
    await server.start()
    try:
        yield server
    finally:
        await server.aclose()


async def subscribe(server: VtpServer, *, response: str = "", filters: str = "") -> VtpClient:
    client = await VtpClient.connect(server.port)
    await client.receive_role()
    wanted = (filters,) if filters else ()
    await client.send(transport("authenticate", response=response, filters=wanted))
    return client


@pytest.mark.parametrize("error", DEFECTS[:4], ids=named)
async def test_a_subscriber_that_cannot_be_offered_an_alert_is_the_only_one_without_it(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with vtp_server() as server:
        broken, fine = await subscribe(server), await subscribe(server)
        await until(lambda: server.n_subscribers == 2)
        first = next(iter(server._subscribers))
        original = Subscriber.offer

        def offer(self: Subscriber, document: VtpDocument) -> None:
            if self is first:
                raise error
            original(self, document)

        monkeypatch.setattr(Subscriber, "offer", offer)
        server.broadcast(ivorn(1), packet(1))
        assert await fine.receive_events(1, 60) == [ivorn(1)]
        assert await broken.is_cut(60)
        await fine.aclose()


async def test_a_packet_that_is_no_xml_does_not_end_the_connections_with_filters() -> None:
    async with vtp_server() as server:
        picky = await subscribe(server, filters="//VOEvent | /VOEvent")
        await until(lambda: any(each._filters for each in server._subscribers))
        server.broadcast("ivo://org.test/night#0", b"<VOEvent")
        server.broadcast(ivorn(1), packet(1))
        assert await picky.receive_events(1, 60) == [ivorn(1)]
        await picky.aclose()


@pytest.mark.parametrize("error", [*DEFECTS[:4], FatalError("migrate")], ids=named)
async def test_who_cannot_be_given_what_it_missed_gets_what_is_new(error: Exception) -> None:
    async with vtp_server(CatchUpStore(error)) as server:
        client = await subscribe(server, response="ivo://test/robot")
        await until(lambda: any(each._is_introduced for each in server._subscribers))
        server.broadcast(ivorn(1), packet(1))
        assert await client.receive_events(1, 60) == [ivorn(1)]
        await client.aclose()

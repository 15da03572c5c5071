"""Whatever fails in the alert service: one event ends, every other one becomes its alert once."""

from collections.abc import Callable, Iterator, MutableMapping
from pkgutil import resolve_name
from typing import Any

import pytest
import structlog

from runtime.errors import FatalError, TransientError
from services.alert.handlers.transients import TransientHandler
from tests.support.alert_handler import (
    EVENTS,
    TOPICS,
    FakeSender,
    FakeStore,
    FakeTransaction,
    Servers,
    make_handler,
)
from tests.support.defects import DEFECTS, Breaking, named

TRANSIENTS = "services.alert.handlers.transients"
# How the fakes of the database and of Kafka are called.
DATABASE = [
    (FakeTransaction, "find"), (FakeTransaction, "get_alert_history"), (FakeTransaction, "add"),
    (FakeStore, "match_references"),
]  # fmt: skip
SENDING = [(FakeSender, "find_sent"), (FakeSender, "send"), (FakeStore, "mark_published")]
DECIDING = [
    (resolve_name(TRANSIENTS), name)
    for name in (
        "decode_source_event",
        "check_event",
        "decide",
        "check_storm",
        "build_alert",
    )
]


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged; tracebacks with all their variables take seconds to print."""
    with structlog.testing.capture_logs() as captured:
        yield captured


def break_once_called(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, breaks: Breaking
) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    def broken(*arguments: Any, **keywords: Any) -> Any:
        breaks()
        return original(*arguments, **keywords)

    monkeypatch.setattr(owner, name, broken)


async def handle_all(handler: TransientHandler) -> list[str | None]:
    rejections = await handler.on_events(EVENTS)
    return [each and each.reason_code for each in rejections]


def check_alerts(servers: Servers, n: int) -> None:
    """Check that there are so many alerts, each once on every topic."""
    ivorns = [row.ivorn for row in servers.rows.values()]
    assert len(set(ivorns)) == len(ivorns) == n
    for name in TOPICS:
        assert sorted(servers.kafka[name]) == sorted(ivorns)
    assert all(row.is_published for row in servers.rows.values())


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (step, DEFECTS[number % len(DEFECTS)])
        for number, step in enumerate([*DECIDING, *DATABASE] * 3)
    ],
    ids=lambda each: named(each) if isinstance(each, Exception) else each[1],
)
async def test_an_event_at_which_any_step_fails_is_one_dead_letter(
    step: tuple[Any, str],
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    logs: list[MutableMapping[str, Any]],
) -> None:
    servers = Servers()
    # Once with all events together, once with the first of them alone.
    is_decoding = step[1] in ("decode_source_event", "check_event")
    breaks = Breaking(error, times=1 if is_decoding else 2)
    break_once_called(monkeypatch, *step, breaks)
    handler = make_handler(servers)
    assert await handle_all(handler) == ["internal_error", None, None]
    assert breaks.times == 0
    (failed,) = [each for each in logs if each["event"] == "message_failed"]
    assert failed["exc_info"]
    check_alerts(servers, 2)
    assert await handle_all(handler) == [None] * 3
    check_alerts(servers, 3)


@pytest.mark.parametrize("error", DEFECTS, ids=named)
@pytest.mark.parametrize("step", SENDING, ids=lambda each: each[1])
async def test_a_failure_to_send_that_passes_loses_and_doubles_nothing(
    step: tuple[Any, str], error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = Servers()
    if step[1] == "find_sent":  # asked only for what an earlier process may have sent
        monkeypatch.setattr(FakeSender, "send", raises_transient_error)
        with pytest.raises(TransientError):
            await handle_all(make_handler(servers))
        monkeypatch.undo()
    breaks = Breaking(error)
    break_once_called(monkeypatch, *step, breaks)
    assert await handle_all(make_handler(servers)) == [None] * 3
    assert breaks.times == 0
    check_alerts(servers, 3)


async def raises_transient_error(*_: object) -> None:
    raise TransientError("Kafka is away")


@pytest.mark.parametrize("error", DEFECTS, ids=named)
async def test_an_alert_that_can_never_be_sent_is_one_dead_letter(
    error: Exception, monkeypatch: pytest.MonkeyPatch, logs: list[MutableMapping[str, Any]]
) -> None:
    servers = Servers()
    original = FakeSender.send

    async def send(self: FakeSender, alerts: Any, already: Any) -> None:
        for alert in alerts:
            if alert.id == 1:
                raise error
            await original(self, [alert], already)

    monkeypatch.setattr(FakeSender, "send", send)
    assert await handle_all(make_handler(servers)) == [None, "internal_error", None]
    assert [each["event"] for each in logs].count("alert_not_published") == 1
    assert [row.is_published for row in servers.rows.values()] == [True, False, True]
    restarted = make_handler(servers)
    assert await restarted.recover() == 1  # tried again, and no obstacle
    monkeypatch.undo()
    await restarted.recover()
    check_alerts(servers, 3)


@pytest.mark.parametrize("error", [TransientError("away"), FatalError("migrate")], ids=named)
@pytest.mark.parametrize("step", [*DATABASE, *SENDING[1:]], ids=lambda each: each[1])
async def test_trouble_of_the_world_is_no_dead_letter(
    step: tuple[Any, str], error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = Servers()
    break_once_called(monkeypatch, *step, Breaking(error))
    handler = make_handler(servers)
    with pytest.raises(type(error), match=str(error)):
        await handle_all(handler)
    assert await handle_all(handler) == [None] * 3
    check_alerts(servers, 3)

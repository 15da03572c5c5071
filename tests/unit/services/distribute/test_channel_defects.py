"""A channel goes on whatever fails in it; an alert that cannot be sent is skipped."""

from collections.abc import Callable, MutableMapping
from datetime import timedelta
from typing import Any

import pytest

from runtime.errors import FatalError, TransientError
from schemas.delivery_channels import DeliveryChannelName
from services.distribute.errors import DeliveryError, RefusedError
from services.distribute.handlers import channel as channel_module
from services.distribute.handlers.channel import DeliveryChannel
from services.distribute.models import OutgoingAlert, PendingDelivery, SubscriberState
from tests.support.defects import DEFECTS, Breaking, named, running, until
from tests.support.in_flight import new_in_flight

pytestmark = pytest.mark.usefixtures("logs")
_PAUSES = (
    "_POLL_INTERVAL_S", "_RETRY_INTERVAL_S", "_FIRST_BACKOFF_S", "_LONGEST_BACKOFF_S",
    "_LONGEST_FAILURE_BACKOFF_S",
)  # fmt: skip


def ivorn(number: int) -> str:
    return f"ivo://org.test/night#{number}"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat what failed at once."""
    for name in _PAUSES:
        monkeypatch.setattr(channel_module, name, 0.002)


class ChannelRows:
    """A channel with alerts 1 to 3 pending."""

    def __init__(self, breaks: dict[str, Breaking] | None = None) -> None:
        self.done = 0
        self.skipped: list[int] = []
        self.n_failures = self.n_refusals = 0
        self.breaks = breaks or {}
        self.reasons: list[str] = []

    def _step(self, name: str) -> None:
        if name in self.breaks:
            self.breaks[name]()

    async def ensure_subscriber(self, *_: object) -> SubscriberState:
        self._step("ensure_subscriber")
        return SubscriberState(self.done, self.n_failures, None, self.n_refusals)

    async def list_pending_deliveries(self, *_: object, **__: object) -> list[PendingDelivery]:
        self._step("list_pending_deliveries")
        return [
            PendingDelivery(
                row, is_old=False, alert=OutgoingAlert(ivorn(row), b"<VOEvent/>", b"{}")
            )
            for row in range(self.done + 1, 4)
        ]

    async def advance(
        self, _channel: str, _name: str, until_id: int, **values: dict[int, bool]
    ) -> None:
        self._step("advance")
        self.done = until_id
        self.skipped += [row for row, has in values["is_acknowledged"].items() if not has]

    async def clear_failure(self, *_: object) -> None:
        self._step("clear_failure")
        self.reasons.append("")

    async def count_failure(self, *given: object) -> None:
        self._step("count_failure")
        self.reasons.append(str(given[-1]))
        self.n_failures += 1

    async def count_refusal(self, *given: object, **_: object) -> int:
        self._step("count_refusal")
        self.reasons.append(str(given[-1]))
        self.n_failures += 1
        self.n_refusals += 1
        return self.n_refusals


def build_channel(
    store: ChannelRows,
    deliver: Callable[[list[OutgoingAlert]], Any],
    tell: Callable[[str, str], Any] | None = None,
    pause_s: float = 0.0,
) -> DeliveryChannel:
    async def may_deliver() -> bool:
        return True

    return DeliveryChannel(
        DeliveryChannelName.WEBHOOK, "robot", deliver,
        store=store,  # type: ignore[arg-type]
        may_deliver=may_deliver, in_flight=new_in_flight(),
        max_age=timedelta(days=1), max_refusals=20,
        tell=tell, pause_s=pause_s,
    )  # fmt: skip


@pytest.mark.parametrize("poison", [1, 2])
@pytest.mark.parametrize("error", DEFECTS, ids=named)
async def test_an_alert_that_cannot_be_sent_is_skipped_when_a_later_one_can(
    error: Exception, poison: int
) -> None:
    sent: list[str] = []

    async def deliver(alerts: list[OutgoingAlert]) -> list[OutgoingAlert]:
        if alerts[0].ivorn == ivorn(poison):
            raise error
        sent.append(alerts[0].ivorn)
        return alerts[:1]

    store = ChannelRows()
    async with running(build_channel(store, deliver).run()):
        await until(lambda: store.done == 3)
    assert sent == [ivorn(number) for number in (1, 2, 3) if number != poison]
    assert store.skipped == [poison]


@pytest.mark.parametrize(
    "step",
    [
        "ensure_subscriber",
        "list_pending_deliveries",
        "advance",
        "count_failure",
        "count_refusal",
        "deliver",
    ],
)
@pytest.mark.parametrize("error", [*DEFECTS, TransientError("away")], ids=named)
async def test_a_channel_goes_on_after_a_failure_at_any_step(step: str, error: Exception) -> None:
    sent: list[str] = []
    breaks = {step: Breaking(error)}
    if step == "count_failure":
        breaks["deliver"] = Breaking(DeliveryError("so that there is a failure"))
    if step == "count_refusal":
        breaks["deliver"] = Breaking(ValueError("so that there is a refusal"))

    async def deliver(alerts: list[OutgoingAlert]) -> list[OutgoingAlert]:
        if "deliver" in breaks:
            breaks["deliver"]()
        sent.append(alerts[0].ivorn)
        return alerts[:1]

    store = ChannelRows(breaks)
    async with running(build_channel(store, deliver).run()):
        await until(lambda: store.done == 3)
    assert list(dict.fromkeys(sent)) == [ivorn(number) for number in (1, 2, 3)]
    assert store.skipped == []


async def test_a_missing_migration_ends_a_channel() -> None:
    store = ChannelRows({"ensure_subscriber": Breaking(FatalError("migrate"))})
    with pytest.raises(FatalError, match="migrate"):
        await build_channel(store, lambda _: None).run()


@pytest.mark.parametrize("done", [0, 3])
@pytest.mark.parametrize("step", ["ensure_subscriber", "list_pending_deliveries", "advance"])
@pytest.mark.parametrize("error", DEFECTS, ids=named)
async def test_the_owner_sees_a_failure_of_this_service_until_it_is_over(
    step: str, error: Exception, done: int
) -> None:
    if (step, done) == ("advance", 3):
        return  # nothing is pending
    store = ChannelRows({step: Breaking(error, times=2)})
    store.done = done

    async def deliver(alerts: list[OutgoingAlert]) -> list[OutgoingAlert]:
        return alerts

    async with running(build_channel(store, deliver).run()):
        await until(lambda: len(store.reasons) >= 2 and store.done == 3)
        if done == 3:
            await until(lambda: len(store.reasons) == 3)
    told = f"{type(error).__name__} in this service; the log of the operator says more"
    assert store.reasons == [told, told] + [""] * (done == 3)


async def test_what_an_exception_says_is_not_told_to_the_owner() -> None:
    store = ChannelRows()

    async def deliver(_: list[OutgoingAlert]) -> list[OutgoingAlert]:
        raise UnicodeEncodeError("ascii", "hush\u00fc", 4, 5, "hush")

    async with running(build_channel(store, deliver).run()):
        await until(lambda: len(store.reasons) >= 2)
    assert all("UnicodeEncodeError" in each for each in store.reasons)
    assert "hush" not in "".join(store.reasons)


@pytest.mark.parametrize("n_away", [8, 9])
async def test_a_receiver_that_comes_and_goes_is_told_once(n_away: int) -> None:
    messages: list[str] = []
    n_attempts = 0

    class Endless(ChannelRows):
        async def list_pending_deliveries(self, *_: object, **__: object) -> list[PendingDelivery]:
            alert = OutgoingAlert(ivorn(self.done), b"<VOEvent/>", b"{}")
            return [PendingDelivery(self.done + 1, is_old=False, alert=alert)]

        async def advance(self, *given: Any, **values: Any) -> None:
            await super().advance(*given, **values)
            self.n_failures = self.n_refusals = 0

    store = Endless()

    async def tell(subject: str, _: str) -> None:
        messages.append(subject)

    async def deliver(alerts: list[OutgoingAlert]) -> list[OutgoingAlert]:
        nonlocal n_attempts
        n_attempts += 1
        if n_attempts % (n_away + 1):
            raise DeliveryError("no route")
        return alerts

    async with running(build_channel(store, deliver, tell).run()):
        await until(lambda: store.done >= 10)
    assert messages == ["webhook robot does not answer"]


@pytest.mark.parametrize("mail_error", [None, DeliveryError("no mail server")])
async def test_the_operator_is_told_of_a_receiver_that_is_away_once_a_day(
    mail_error: Exception | None,
) -> None:
    messages: list[tuple[int, str]] = []
    store = ChannelRows()

    async def tell(subject: str, text: str) -> None:
        assert "no route" in text
        messages.append((store.n_failures, subject))
        if mail_error is not None:
            raise mail_error

    async def deliver(_: list[OutgoingAlert]) -> list[OutgoingAlert]:
        raise DeliveryError("no route")

    async with running(build_channel(store, deliver, tell).run()):
        await until(lambda: store.n_failures > 290)
    assert messages == [(n, "webhook robot does not answer") for n in (8, 144, 288)]


async def test_a_refusal_between_does_not_hide_that_a_receiver_is_away() -> None:
    messages: list[tuple[str, str]] = []
    store = ChannelRows()

    async def tell(subject: str, text: str) -> None:
        messages.append((subject, text.partition(" since ")[0]))

    async def deliver(_: list[OutgoingAlert]) -> list[OutgoingAlert]:
        if store.n_failures == 7:  # it starts
            raise RefusedError("answered 400")
        raise DeliveryError("no route")

    async with running(build_channel(store, deliver, tell).run()):
        await until(lambda: store.n_failures > 20)
    assert store.n_refusals == 1
    assert messages == [("webhook robot does not answer", "8 attempts have failed")]


async def test_the_operator_is_told_of_a_receiver_that_is_disabled() -> None:
    messages: list[str] = []
    store = ChannelRows()

    async def tell(subject: str, text: str) -> None:
        assert "livetrap alerts enable webhook robot" in text
        assert "refused 20 times" in text
        messages.append(subject)

    async def deliver(_: list[OutgoingAlert]) -> list[OutgoingAlert]:
        raise RefusedError("404")

    store.n_failures, store.n_refusals = 90, 19
    async with running(build_channel(store, deliver, tell).run()):
        await until(lambda: messages)
    assert messages == ["webhook robot is disabled"]


@pytest.mark.parametrize("n_pending", [1, 500, 501, 1700])
async def test_a_backlog_is_delivered_without_the_pauses_between_digests(n_pending: int) -> None:
    class Backlog(ChannelRows):
        async def list_pending_deliveries(
            self, *_: object, limit: int, **__: object
        ) -> list[PendingDelivery]:
            return [
                PendingDelivery(
                    row, is_old=False, alert=OutgoingAlert(ivorn(row), b"<VOEvent/>", b"{}")
                )
                for row in range(self.done + 1, n_pending + 1)
            ][:limit]

    store, mails = Backlog(), list[int]()

    async def deliver(alerts: list[OutgoingAlert]) -> list[OutgoingAlert]:
        mails.append(len(alerts))
        return alerts

    async with running(build_channel(store, deliver, pause_s=3600.0).run()):
        await until(lambda: sum(mails) == n_pending)
    assert len(mails) == -(-n_pending // 500)


@pytest.mark.parametrize("kind", [DeliveryError, RefusedError])
@pytest.mark.parametrize(
    "said", ["x" * 60_000, "a\x1b[2J\x00b\r\nforged: line", "\u202e\u200b" * 5000, ""]
)
async def test_what_a_receiver_says_is_one_short_line(
    kind: type[DeliveryError], said: str, logs: list[MutableMapping[str, Any]]
) -> None:
    reasons: list[str] = []

    class Noted(ChannelRows):
        async def count_failure(self, *given: object) -> None:
            reasons.append(str(given[-1]))

        async def count_refusal(self, *given: object, **_: object) -> int:
            reasons.append(str(given[-1]))
            return 1

    async def deliver(_: list[OutgoingAlert]) -> list[OutgoingAlert]:
        raise kind(f"answered 500 {said}")

    async with running(build_channel(Noted(), deliver).run()):
        await until(lambda: len(reasons) > 2)
    told = [*reasons, *(str(line.get("reason", "")) for line in logs)]
    assert all(text.isprintable() and len(text) < 400 for text in told)
    assert all("answered 500" in reason for reason in reasons)

"""Topic ``transients-v1``: events in, alerts stored, then on Kafka, then on VTP."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from rules.rulebook import RuleBook
from runtime.errors import RejectedMessageError
from runtime.logging import get_logger
from runtime.settings import AlertSettings
from schemas.codec import CodecError, decode_source_event
from schemas.messages import SourceEvent
from services.alert.errors import NotDueError, SuppressedError
from services.alert.metrics import EVENTS, LATENCY
from services.alert.models import LowWatermark, StoredAlert
from services.alert.steps.alert import build_alert
from services.alert.steps.rule import check_event, decide
from services.alert.steps.storm import STORM, check_storm, describe_storm
from services.alert.storage import AlertStore, AlertTransaction

__all__ = ["AlertSender", "TransientHandler"]

_MOST_AT_ONCE = 200


class AlertSender(Protocol):
    """How alerts reach Kafka; nothing here knows which client does it."""

    def known_ends(self) -> LowWatermark:
        """Return where the alert topics ended a while ago."""

    async def find_sent(self, alerts: Sequence[StoredAlert]) -> Mapping[str, Collection[str]]:
        """Return the alert topics that each alert is on already, by its ivorn."""

    async def send(
        self, alerts: Sequence[StoredAlert], already: Mapping[str, Collection[str]]
    ) -> None:
        """Send each to the alert topics but those of `already`; return when acknowledged."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """What becomes of an event, and which alert must be out before it is done."""

    outcome: str
    alert: StoredAlert | None = None
    refusal: RejectedMessageError | None = None


class TransientHandler:
    """Make alerts; whatever happens, an event is stored once and sent once to Kafka.

    Parameters
    ----------
    settings : AlertSettings
        Authority, role, expiry.
    rules : callable
        Returns which events become alerts, as of now.
    store : AlertStore
        Where alerts are before they are sent.
    sender : AlertSender
        The way to Kafka.
    broadcast : callable
        The way to VTP; never waits.
    wake : callable
        Called when alerts are out: others may have them too.
    """

    def __init__(
        self,
        settings: AlertSettings,
        *,
        rules: Callable[[], RuleBook],
        store: AlertStore,
        sender: AlertSender,
        broadcast: Callable[[bytes], int],
        wake: Callable[[], object] = lambda: None,
    ) -> None:
        self._settings = settings
        self._rules = rules
        self._store = store
        self._sender = sender
        self._broadcast = broadcast
        self._wake = wake

    async def on_events(self, values: Sequence[bytes]) -> list[RejectedMessageError | None]:
        """Handle records in their order; returns when the alerts that they deserve are out.

        Returns
        -------
        list of RejectedMessageError or None
            Why a record can never become an alert; None for the others.

        Raises
        ------
        TransientError
            If the world is not ready; calling again goes on where this one stopped.
        """
        read = [_read(value) for value in values]
        events = [each for each in read if isinstance(each, SourceEvent)]
        try:
            judged = await self._judge_all(events)
        except RejectedMessageError as error:
            if len(values) == 1:
                return [error]
            # What PostgreSQL refuses undoes the whole transaction: alone, only itself.
            return [refusal for value in values for refusal in await self.on_events([value])]
        await self.finish([each.alert for each in judged if each.alert is not None])
        for each in judged:
            if each.refusal is None:  # a refusal is counted when its dead letter is out
                EVENTS.labels(each.outcome).inc()
        refusals = iter([each.refusal for each in judged])
        return [next(refusals) if isinstance(each, SourceEvent) else each for each in read]

    async def _judge_all(self, events: Sequence[SourceEvent]) -> list[_Judged]:
        """Store what becomes of events, all of them or none."""
        if not events:
            return []
        rules = self._rules()
        places = [(event.ra, event.dec) for event in events]
        answers = await self._store.match_references(places, rules.matches)
        async with self._store.transaction([event.event_id for event in events]) as book:
            return [
                await self._judge(book, event, rules, matches)
                for event, matches in zip(events, answers, strict=True)
            ]

    async def _judge(
        self,
        book: AlertTransaction,
        event: SourceEvent,
        rules: RuleBook,
        matches: Mapping[str, bool],
    ) -> _Judged:
        """Store the alert of one event, if it deserves one."""
        if (existing := await book.find(event.event_id)) is not None:
            return _Judged("repeated", existing)
        before = await book.get_alert_history(event)
        try:
            decision = decide(event, rules, matches, before=before, role=self._settings.role)
            check_storm(event, before, self._settings)
            alert = build_alert(
                event, self._settings, decision, datetime.now(UTC), revision=before.revision
            )
        except NotDueError as refusal:
            get_logger().info(
                "event_not_alerted", event_id=event.event_id, reason=refusal.reason_code
            )
            return _Judged(refusal.reason_code)
        except SuppressedError as held:
            return await self._hold(book, event, held)
        except RejectedMessageError as error:
            return _Judged("rejected", refusal=error)
        return _Judged("alerted", await book.add(alert, self._sender.known_ends()))

    async def _hold(
        self, book: AlertTransaction, event: SourceEvent, held: SuppressedError
    ) -> _Judged:
        """Keep the event for an operator, and tell the subscribers once that there is a storm."""
        await book.hold(event, held.because)
        get_logger().warning("event_suppressed", event_id=event.event_id, because=held.because)
        storm = describe_storm(event, held)
        if (told := await book.find(storm.event_id)) is not None:
            return _Judged("held", told)
        before = await book.get_alert_history(storm)
        alert = build_alert(
            storm, self._settings, STORM, datetime.now(UTC), revision=before.revision
        )
        return _Judged("held", await book.add(alert, self._sender.known_ends()))

    async def recover(self) -> int:
        """Finish what an earlier process stored but did not send; return how many."""
        unfinished = await self._store.list_unfinished()
        for first in range(0, len(unfinished), _MOST_AT_ONCE):
            await self.finish(unfinished[first : first + _MOST_AT_ONCE])
        return len(unfinished)

    async def finish(self, alerts: Sequence[StoredAlert]) -> None:
        """Send stored alerts wherever they are still missing, in their order."""
        waiting = list({each.id: each for each in alerts if not each.is_done}.values())
        if not waiting:
            return
        await self._publish([alert for alert in waiting if not alert.is_published])
        time_published = datetime.now(UTC)
        n_subscribers = [self._broadcast(alert.voevent) for alert in waiting]
        await self._store.mark_sent([alert.id for alert in waiting], time_published)
        self._wake()
        for alert, n in zip(waiting, n_subscribers, strict=True):
            get_logger().info(
                "alert_sent", ivorn=alert.ivorn, subscribers=n, latency_s=alert.latency_s
            )

    async def _publish(self, alerts: Sequence[StoredAlert]) -> None:
        """Send to Kafka, but not what an attempt that broke off has already brought there."""
        tried = [alert for alert in alerts if alert.may_be_sent]
        already = await self._sender.find_sent(tried) if tried else {}
        await self._sender.send(alerts, already)
        for alert in alerts:
            if alert.latency_s is not None:
                LATENCY.observe(alert.latency_s)


def _read(value: bytes) -> SourceEvent | RejectedMessageError:
    try:
        event = decode_source_event(value)
        check_event(event)
    except CodecError as error:
        return RejectedMessageError("bad_avro", str(error))
    except RejectedMessageError as error:
        return error
    return event

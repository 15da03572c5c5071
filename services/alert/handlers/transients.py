"""Topic ``transients-v1``: event in, alert stored, then on Kafka, then on VTP."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from rules.rulebook import RuleBook
from runtime.errors import RejectedMessageError
from runtime.logging import get_logger
from runtime.settings import AlertSettings
from schemas.codec import CodecError, decode_source_event
from schemas.messages import SourceEvent
from services.alert.errors import HeldError, NotDueError
from services.alert.metrics import EVENTS, LATENCY
from services.alert.models import LowWatermark, NewAlert, Standing, StoredAlert
from services.alert.steps.alert import build_alert
from services.alert.steps.rule import check_event, decide
from services.alert.steps.storm import STORM, check_storm, describe_storm
from services.alert.storage import AlertStore

__all__ = ["AlertSender", "TransientHandler"]


class AlertSender(Protocol):
    """How alerts reach Kafka; nothing here knows which client does it."""

    async def read_ends(self) -> LowWatermark:
        """Return where the alert topics end now."""

    async def find_sent(self, ivorn: str, since: LowWatermark) -> frozenset[str]:
        """Return the alert topics that have `ivorn` behind `since` already."""

    async def send(self, alert: StoredAlert, already: frozenset[str]) -> None:
        """Send to the alert topics but `already`; return when acknowledged."""


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
        Called when an alert is out: others may have it too.
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

    async def on_event(self, value: bytes) -> None:
        """Handle one record; returns when its alert, if it deserves one, is out.

        Raises
        ------
        RejectedMessageError
            If the record can never become an alert.
        TransientError
            If the world is not ready; calling again goes on where this one stopped.
        """
        event = _decode(value)
        check_event(event)
        rules = self._rules()
        matches = await self._store.match_references(event.ra, event.dec, rules.matches)
        render = partial(self._render, event, rules, matches)
        try:
            alert, is_new = await self._store.add(event, render)
        except NotDueError as refusal:
            EVENTS.labels(refusal.reason_code).inc()
            get_logger().info(
                "event_not_alerted", event_id=event.event_id, reason=refusal.reason_code
            )
            return
        except HeldError as held:
            await self._hold(event, held)
            return
        await self.finish(alert)
        EVENTS.labels("alerted" if is_new else "repeated").inc()

    def _render(
        self, event: SourceEvent, rules: RuleBook, matches: Mapping[str, bool], before: Standing
    ) -> NewAlert:
        decision = decide(event, rules, matches, before=before, role=self._settings.role)
        check_storm(event, before, self._settings)
        now = datetime.now(UTC)
        return build_alert(event, self._settings, decision, now, revision=before.revision)

    async def _hold(self, event: SourceEvent, held: HeldError) -> None:
        """Keep the event for an operator, and tell the subscribers once that there is a storm."""
        await self._store.hold(event, held.because)
        EVENTS.labels("held").inc()
        get_logger().warning("event_held", event_id=event.event_id, because=held.because)
        storm = describe_storm(event, held)
        alert, _ = await self._store.add(storm, partial(self._render_storm, storm))
        await self.finish(alert)

    def _render_storm(self, storm: SourceEvent, before: Standing) -> NewAlert:
        now = datetime.now(UTC)
        return build_alert(storm, self._settings, STORM, now, revision=before.revision)

    async def recover(self) -> int:
        """Finish what an earlier process stored but did not send; return how many."""
        unfinished = await self._store.list_unfinished()
        for alert in unfinished:
            await self.finish(alert)
        return len(unfinished)

    async def finish(self, alert: StoredAlert) -> None:
        """Send a stored alert wherever it is still missing."""
        if alert.is_published and alert.is_broadcast:
            return
        if not alert.is_published:
            alert = await self._publish(alert)
        n_subscribers = self._broadcast(alert.voevent)
        await self._store.mark_broadcast(alert)
        self._wake()
        get_logger().info(
            "alert_sent", ivorn=alert.ivorn, subscribers=n_subscribers, latency_s=alert.latency_s
        )

    async def _publish(self, alert: StoredAlert) -> StoredAlert:
        """Send to Kafka, but not what an attempt that broke off has already brought there."""
        already: frozenset[str] = frozenset()
        if alert.low_watermark is None:
            alert = await self._store.save_low_watermark(alert, await self._sender.read_ends())
        else:
            already = await self._sender.find_sent(alert.ivorn, alert.low_watermark)
        await self._sender.send(alert, already)
        if alert.latency_s is not None:
            LATENCY.observe(alert.latency_s)
        return await self._store.mark_published(alert)


def _decode(value: bytes) -> SourceEvent:
    try:
        return decode_source_event(value)
    except CodecError as error:
        raise RejectedMessageError("bad_avro", str(error)) from error

"""Topic ``transients-v1``: events in, alerts stored, then on Kafka."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from rules.quantities import facts_of
from rules.rule_set import RuleSet
from runtime.errors import (
    FatalError,
    PipelineError,
    RejectedMessageError,
    TransientError,
    describe_exception,
    to_internal_error,
)
from runtime.logging import get_logger
from runtime.settings import AlertSettings
from schemas.codec import CodecError, decode_source_event
from schemas.identity import TEST_STREAM
from schemas.messages import SourceEvent
from services.alert.errors import NotDueError, SuppressedError
from services.alert.metrics import EVENTS, LATENCY
from services.alert.models import (
    NO_CONTEXT,
    AlertHistory,
    ContextRows,
    EventContext,
    LowWatermark,
    StoredAlert,
)
from services.alert.steps.alert import build_alert
from services.alert.steps.context import build_context
from services.alert.steps.event_name import format_event_name
from services.alert.steps.family_rows import add_facts_of_first
from services.alert.steps.rule import check_event, decide, weigh
from services.alert.steps.storm import STORM, check_storm, describe_storm
from services.alert.storage import AlertStore, AlertTransaction

__all__ = ["AlertSender", "TransientHandler"]

_BATCH = 200
# Events of a transaction; their alerts are sent while the next ones are decided about.
_PART = 100


class AlertSender(Protocol):
    """How alerts reach Kafka; the handler does not know which client sends them."""

    async def check_cluster(self) -> None:
        """Return when what has come is known to be of the cluster that alerts go to."""

    def known_ends(self) -> LowWatermark:
        """Return the ends of the alert topics as they were read last."""

    async def find_sent(self, alerts: Sequence[StoredAlert]) -> Mapping[str, Collection[str]]:
        """Return by ivorn the alert topics that have an alert already."""

    async def send(
        self, alerts: Sequence[StoredAlert], already: Mapping[str, Collection[str]]
    ) -> None:
        """Send each to the alert topics but those in `already`; return when acknowledged."""


@dataclass(frozen=True, slots=True)
class _Decided:
    """The outcome of an event, and the alert that must be on Kafka before it is done."""

    outcome: str
    alert: StoredAlert | None = None
    rejection: RejectedMessageError | None = None


class TransientHandler:
    """Makes alerts; whatever happens, one is stored once and sent once to each topic.

    Parameters
    ----------
    settings : AlertSettings
        Authority, role, limits.
    rules : callable
        Returns the rules that apply now.
    store : AlertStore
        Where alerts are stored before they are sent.
    sender : AlertSender
        How they reach Kafka.
    """

    def __init__(
        self,
        settings: AlertSettings,
        *,
        rules: Callable[[], RuleSet],
        store: AlertStore,
        sender: AlertSender,
    ) -> None:
        self._settings = settings
        self._rules = rules
        self._store = store
        self._sender = sender

    async def on_events(
        self, values: Sequence[bytes], *, is_second_try: bool = False
    ) -> list[RejectedMessageError | None]:
        """Handle records in their order; return when their alerts are on Kafka.

        An error undoes the transaction of all of them, so each is tried once more alone.

        Returns
        -------
        list of RejectedMessageError or None
            Why a record can never become an alert; None for the others.

        Raises
        ------
        TransientError
            If Kafka or PostgreSQL is away; a repetition continues where this call stopped.
        """
        decoded = [_decode(value) for value in values]
        events = [each for each in decoded if isinstance(each, SourceEvent)]
        try:
            decided, failed = await self._decide_and_publish(events)
        except (TransientError, FatalError):
            raise
        except Exception as error:  # noqa: BLE001  (whatever it is: the next events must follow)
            if len(values) == 1 and isinstance(error, RejectedMessageError):
                return [error]
            if is_second_try:
                get_logger().exception("message_failed")
                return [to_internal_error(error)]
            get_logger().warning("message_failed_once", error=describe_exception(error))
            alone = [await self.on_events([value], is_second_try=True) for value in values]
            return [rejection for rejections in alone for rejection in rejections]
        reasons = [failed.get(each.alert.id) if each.alert else each.rejection for each in decided]
        for each, reason in zip(decided, reasons, strict=True):
            if reason is None:  # a rejection is counted with its dead letter
                EVENTS.labels(each.outcome).inc()
        rejections = iter(reasons)
        return [next(rejections) if isinstance(each, SourceEvent) else each for each in decoded]

    async def _decide_and_publish(
        self, events: Sequence[SourceEvent]
    ) -> tuple[list[_Decided], dict[int, RejectedMessageError]]:
        """Handle events part by part; return what was decided, and which alerts cannot be sent.

        The alerts of a part are on Kafka before those of the next part are sent.
        """
        decided: list[_Decided] = []
        failed: dict[int, RejectedMessageError] = {}
        publishing: asyncio.Task[dict[int, RejectedMessageError]] | None = None
        try:
            for first in range(0, len(events), _PART):
                part = await self._decide_all(events[first : first + _PART])
                decided += part
                if publishing is not None:
                    failed |= await publishing
                alerts = [each.alert for each in part if each.alert is not None]
                publishing = asyncio.create_task(self.publish(alerts))
            if publishing is not None:
                failed |= await publishing
        except asyncio.CancelledError:
            if publishing is not None:
                publishing.cancel()
            raise
        except BaseException:
            if publishing is not None:  # a repetition must not send beside it
                await asyncio.gather(publishing, return_exceptions=True)
            raise
        return decided, failed

    async def _decide_all(self, events: Sequence[SourceEvent]) -> list[_Decided]:
        """Decide about events and store the alerts, all of them or none."""
        rules = self._rules()
        positions = [(event.ra, event.dec) for event in events]
        # Before anything is stored about them.
        async with _beside(self._sender.check_cluster()):
            matches = await self._store.match_references(positions, rules.matches)
            contexts = await self._store.read_contexts(events)
            n_due = await self._count_due(events, contexts, rules)
        async with self._store.transaction(len(events)) as transaction:
            await transaction.load_histories(events)
            decided = []
            for event, found, rows in zip(events, matches, contexts, strict=True):
                n_due_of_image = n_due.get(event.image_id, 0)
                decided.append(
                    await self._decide(transaction, event, rules, found, rows, n_due_of_image)
                )
                # Messages that wait longer than 0.1 s for the loop keep the client from asking
                # for more of their partition, for as long as 1.5 s.
                await asyncio.sleep(0)
            return decided

    async def _count_due(
        self, events: Sequence[SourceEvent], contexts: Sequence[ContextRows], rules: RuleSet
    ) -> dict[str, int]:
        """Return how many events of an image rules want, of images with too many candidates.

        What waits for its look back counts where the limit calls it new: the events of an image
        come as their looks back end, and the first of a storm must not go before the others.
        """
        n_due = {}
        for event, rows in zip(events, contexts, strict=True):
            n_candidates = 0 if rows.timestep is None else rows.timestep.n_candidates
            if n_candidates > self._settings.max_per_image and event.image_id not in n_due:
                first = await self._store.read_image_events(event.stream, event.image_id)
                positions = [(each.ra, each.dec) for each in first]
                matches = await self._store.match_references(positions, rules.matches)
                n_due[event.image_id] = sum(
                    rules.find({**facts_of(each), **found}) is not None
                    for each, found in zip(first, matches, strict=True)
                )
        return n_due

    async def _decide(
        self,
        transaction: AlertTransaction,
        event: SourceEvent,
        rules: RuleSet,
        matches: Mapping[str, bool],
        rows: ContextRows,
        n_due_of_image: int,
    ) -> _Decided:
        """Store the alert of one event, if it becomes one."""
        if (existing := await transaction.find(event.event_id)) is not None:
            return _Decided("repeated", existing)
        before = await transaction.get_alert_history(event)
        if n_due_of_image:
            before = replace(before, n_due_of_image=n_due_of_image)
        event = add_facts_of_first(event, before)
        try:
            decision = decide(event, rules, matches, before=before, role=self._settings.role)
            check_storm(event, before, self._settings)
            context = replace(_build_context(event, rows), first_alert=before.first_alert)
            alert = build_alert(
                event,
                self._settings,
                weigh(decision, event, context),
                datetime.now(UTC),
                revision=before.revision,
                earlier_ivorns=before.earlier_ivorns,
                event_name=self._name_event(event, before),
                context=context,
            )
        except NotDueError as error:
            get_logger().info(
                "event_not_alerted", event_id=event.event_id, reason=error.reason_code
            )
            return _Decided(error.reason_code)
        except SuppressedError as error:
            return await self._suppress(transaction, event, rows, error)
        except RejectedMessageError as error:
            return _Decided("rejected", rejection=error)
        return _Decided("alerted", await transaction.add(alert, self._sender.known_ends()))

    def _name_event(self, event: SourceEvent, before: AlertHistory) -> str | None:
        """Return the name of the family of an event, a new one for a new family."""
        template = self._settings.event_name
        if before.revision or template is None or event.stream == TEST_STREAM:
            return before.event_name
        return format_event_name(template, event)

    async def _suppress(
        self,
        transaction: AlertTransaction,
        event: SourceEvent,
        rows: ContextRows,
        error: SuppressedError,
    ) -> _Decided:
        """Store the event for an operator, and one alert that announces the storm."""
        await transaction.suppress(event, storm=error.storm, reason=error.reason)
        get_logger().warning("event_suppressed", event_id=event.event_id, reason=error.reason)
        own = None if rows.timestep is None else rows.timestep.own
        field = None if own is None else (own.field_ra, own.field_dec)
        storm = describe_storm(event, error, field=field)
        if (announced := await transaction.find(storm.event_id)) is not None:
            return _Decided("suppressed", announced)
        before = await transaction.get_alert_history(storm)
        alert = build_alert(
            storm, self._settings, STORM, datetime.now(UTC), revision=before.revision
        )
        return _Decided("suppressed", await transaction.add(alert, self._sender.known_ends()))

    async def release_storms(self, topic: str) -> list[str]:
        """Send the best events of streams whose storms no operator decides about to `topic` again.

        Returns
        -------
        list of str
            Their identities.
        """
        if self._settings.storm_release_s is None:
            return []
        released = await self._store.release_storms(
            after_s=self._settings.storm_release_s,
            n_events=self._settings.storm_release_count,
            topic=topic,
        )
        for event_id in released:
            get_logger().warning("event_released", event_id=event_id, by="automatic")
        return released

    async def recover(self) -> int:
        """Send what an earlier process stored and did not mark as sent; return how many."""
        unpublished = await self._store.list_unpublished()
        for first in range(0, len(unpublished), _BATCH):
            await self.publish(unpublished[first : first + _BATCH])
        return len(unpublished)

    async def publish(self, alerts: Sequence[StoredAlert]) -> dict[int, RejectedMessageError]:
        """Send stored alerts to the topics that do not have them, in their order; mark them.

        Where that fails for a reason that nobody expected, each is tried alone.

        Returns
        -------
        dict of int to RejectedMessageError
            By the row of an alert why it cannot be sent; the next start tries it again.
        """
        missing = list({each.id: each for each in alerts if not each.is_published}.values())
        if not missing:
            return {}
        try:
            await self._publish(missing)
        except PipelineError:
            raise
        except Exception as error:  # noqa: BLE001  (whatever it is: the next alerts must follow)
            get_logger().warning("alerts_failed_once", error=describe_exception(error))
        else:
            return {}
        return {
            alert.id: reason for alert in missing if (reason := await self._publish_alone(alert))
        }

    async def _publish_alone(self, alert: StoredAlert) -> RejectedMessageError | None:
        """Send an alert that may be on Kafka already; return why that is not possible."""
        try:
            await self._publish([replace(alert, may_be_sent=True)])
        except PipelineError:
            raise
        except Exception as error:  # noqa: BLE001  (reported in the dead letter)
            get_logger().exception("alert_not_published", ivorn=alert.ivorn)
            return to_internal_error(error)
        return None

    async def _publish(self, missing: Sequence[StoredAlert]) -> None:
        # What an interrupted attempt has brought to Kafka is not sent again.
        tried = [alert for alert in missing if alert.may_be_sent]
        already = await self._sender.find_sent(tried) if tried else {}
        await self._sender.send(missing, already)
        await self._store.mark_published([alert.id for alert in missing], datetime.now(UTC))
        for alert in missing:
            if alert.latency_s is not None:
                LATENCY.observe(alert.latency_s)
            get_logger().info("alert_published", ivorn=alert.ivorn, latency_s=alert.latency_s)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do something beside a block, which ends when both have."""
    task = asyncio.create_task(work)
    try:
        yield
    except BaseException:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
    await task


def _build_context(event: SourceEvent, rows: ContextRows) -> EventContext:
    """Return the context of an event; none where it has a defect: the alert must go out."""
    try:
        return build_context(event, rows)
    except Exception:  # noqa: BLE001  (whatever it is: the alert is worth more than its context)
        get_logger().exception("context_not_built", event_id=event.event_id)
        return NO_CONTEXT


def _decode(value: bytes) -> SourceEvent | RejectedMessageError:
    try:
        event = decode_source_event(value)
        check_event(event)
    except CodecError as error:
        return RejectedMessageError("bad_avro", str(error))
    except RejectedMessageError as error:
        return error
    except Exception as error:  # noqa: BLE001  (whatever it is: the next events must follow)
        get_logger().exception("message_failed")
        return to_internal_error(error)
    return event

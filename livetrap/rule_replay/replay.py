"""Decide about events one after the other as the alert service does, without its tables."""

from bisect import bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from rules.rule_set import Rule
from runtime.errors import RejectedMessageError
from runtime.settings import AlertSettings
from schemas.messages import SourceEvent
from services.alert.errors import NotDueError, SuppressedError
from services.alert.models import AlertHistory
from services.alert.steps.rule import check_event, decide_by
from services.alert.steps.storm import check_storm, describe_storm

__all__ = ["FOLLOWS", "RuleReplay", "Verdict"]

FOLLOWS = "(follows an alert)"
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about an event.

    Parameters
    ----------
    outcome : str
        The rule's name, ``(follows an alert)``, ``suppressed``, or the reason code of a refusal.
    is_alerted : bool
        Whether it is sent.
    reason : str
        Why it is suppressed, as a text.
    storm : SourceEvent or None
        The event about the storm that suppresses it, if it is the first one of the storm.
    """

    outcome: str
    is_alerted: bool
    reason: str = ""
    storm: SourceEvent | None = None


class RuleReplay:
    """Keeps in memory what the alert service keeps in tables.

    Parameters
    ----------
    settings : AlertSettings
        Role and limits.
    n_due_of_image : mapping
        Events that begin an episode with an image and that a rule wants, by the image [-].
    """

    def __init__(
        self, settings: AlertSettings, n_due_of_image: Mapping[str, int] | None = None
    ) -> None:
        self._settings = settings
        self._n_due_of_image = n_due_of_image or {}
        self._n_of_family: Counter[str] = Counter()
        self._n_of_image: Counter[str] = Counter()
        # Starts of the exposures of first alerts, by stream, in order of time.
        self._starts: defaultdict[str, list[datetime]] = defaultdict(list)
        self._storms: set[str] = set()

    def decide(
        self, event: SourceEvent, rule: Rule | None, *, is_suppressed: bool, is_released: bool
    ) -> Verdict:
        """Return the decision about the next event.

        Parameters
        ----------
        event : SourceEvent
            The event.
        rule : Rule or None
            The first that matches it.
        is_suppressed : bool
            It was suppressed then, and stays so whatever the limits are now.
        is_released : bool
            An operator has released it.
        """
        before = self._history(event, is_released=is_released)
        try:
            check_event(event)
            decision = decide_by(event, rule, before=before, role=self._settings.role)
            check_storm(event, before, self._settings)
        except (NotDueError, RejectedMessageError) as refusal:
            return Verdict(refusal.reason_code, is_alerted=False)
        except SuppressedError as suppressed:
            return self._suppress(event, suppressed)
        if is_suppressed and not before.revision:
            return Verdict("suppressed", is_alerted=False)
        self._note(event, before)
        return Verdict(decision.rule or FOLLOWS, is_alerted=True)

    def _history(self, event: SourceEvent, *, is_released: bool) -> AlertHistory:
        starts = self._starts[event.stream]
        return AlertHistory(
            revision=self._n_of_family[event.trig_id],
            n_of_image=self._n_of_image[event.image_id],
            n_of_minute=bisect_right(starts, event.time_start)
            - bisect_right(starts, _minute_before(event.time_start)),
            n_due_of_image=self._n_due_of_image.get(event.image_id, 0),
            release="operator" if is_released else None,
        )

    def _suppress(self, event: SourceEvent, suppressed: SuppressedError) -> Verdict:
        storm = describe_storm(event, suppressed)
        is_notified = storm.event_id in self._storms
        self._storms.add(storm.event_id)
        return Verdict(
            "suppressed",
            is_alerted=False,
            reason=str(suppressed),
            storm=None if is_notified else storm,
        )

    def _note(self, event: SourceEvent, before: AlertHistory) -> None:
        self._n_of_family[event.trig_id] += 1
        if not before.revision:
            self._n_of_image[event.image_id] += 1
            insort(self._starts[event.stream], event.time_start)


def _minute_before(time: datetime) -> datetime:
    try:
        return time - _MINUTE
    except OverflowError:  # the first minute of the year 1
        return time

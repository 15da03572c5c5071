"""What the alert service would have made of past events, one after the other."""

from bisect import bisect_right, insort
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from rules.rulebook import Rule
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
    """What becomes of an event.

    Parameters
    ----------
    outcome : str
        The rule's name, ``(follows an alert)``, ``held``, or the reason code of a refusal.
    is_alerted : bool
        Whether it is sent.
    because : str
        Why it is held, in words.
    storm : SourceEvent or None
        What tells the subscribers of the storm that holds it, the first time.
    """

    outcome: str
    is_alerted: bool
    because: str = ""
    storm: SourceEvent | None = None


class RuleReplay:
    """Decides as the alert service does, and remembers instead of its tables.

    Parameters
    ----------
    settings : AlertSettings
        Role and limits.
    """

    def __init__(self, settings: AlertSettings) -> None:
        self._settings = settings
        self._n_of_family: Counter[str] = Counter()
        self._n_of_image: Counter[str] = Counter()
        # Starts of the exposures of first alerts, by stream, in order of time.
        self._starts: defaultdict[str, list[datetime]] = defaultdict(list)
        self._storms: set[str] = set()

    def judge(
        self, event: SourceEvent, rule: Rule | None, *, is_suppressed: bool, is_released: bool
    ) -> Verdict:
        """Return what becomes of the next event.

        Parameters
        ----------
        event : SourceEvent
            The event.
        rule : Rule or None
            The first that fits it.
        is_suppressed : bool
            It was held then, and that counts.
        is_released : bool
            An operator has let it out.
        """
        before = self._history(event, is_released=is_released)
        try:
            check_event(event)
            decision = decide_by(event, rule, before=before, role=self._settings.role)
            check_storm(event, before, self._settings)
        except (NotDueError, RejectedMessageError) as refusal:
            return Verdict(refusal.reason_code, is_alerted=False)
        except SuppressedError as held:
            return self._hold(event, held)
        if is_suppressed and not before.revision:
            return Verdict("held", is_alerted=False)
        self._note(event, before)
        return Verdict(decision.rule or FOLLOWS, is_alerted=True)

    def _history(self, event: SourceEvent, *, is_released: bool) -> AlertHistory:
        starts = self._starts[event.stream]
        return AlertHistory(
            revision=self._n_of_family[event.trig_id],
            n_of_image=self._n_of_image[event.image_id],
            n_of_minute=bisect_right(starts, event.time_start)
            - bisect_right(starts, _minute_before(event.time_start)),
            is_released=is_released,
        )

    def _hold(self, event: SourceEvent, held: SuppressedError) -> Verdict:
        storm = describe_storm(event, held)
        is_notified = storm.event_id in self._storms
        self._storms.add(storm.event_id)
        return Verdict(
            "held", is_alerted=False, because=str(held), storm=None if is_notified else storm
        )

    def _note(self, event: SourceEvent, before: AlertHistory) -> None:
        self._n_of_family[event.trig_id] += 1
        if not before.revision:
            self._n_of_image[event.image_id] += 1
            insort(self._starts[event.stream], event.time_start)


def _minute_before(time: datetime) -> datetime:
    try:
        return time - _MINUTE
    except OverflowError:  # the first minute there is
        return time

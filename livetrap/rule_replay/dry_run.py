"""Apply rules to the events of the past, as the alert service would have done."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush

from livetrap.rule_replay.past_events import PastEvent, fetch_past_events
from livetrap.rule_replay.replay import RuleReplay, Verdict
from rules.explain import explain_no_rule
from rules.quantities import facts_of
from rules.rule_set import RuleSet
from runtime.settings import Settings
from schemas.messages import SourceEvent
from services.alert.steps.storm import STORM

__all__ = ["ReplayedEvent", "dry_run"]


@dataclass(frozen=True, slots=True)
class ReplayedEvent:
    """An event and what the rules make of it.

    Parameters
    ----------
    event_id, stream, kind : str
        Of the event.
    snr : float
        Signal to noise ratio of its measurement.
    ra, dec : float
        Position, ICRS [deg].
    outcome : str
        The rule's name, ``(follows an alert)``, ``suppressed``, or the reason code of a refusal.
    is_alerted : bool
        Whether it would have been sent.
    why : tuple of str
        For an event that no rule matches: the conditions that are false, rule by rule; for a
        suppressed one: the storm.
    """

    event_id: str
    stream: str
    kind: str
    snr: float
    ra: float
    dec: float
    outcome: str
    is_alerted: bool
    why: tuple[str, ...]


def dry_run(settings: Settings, rules: RuleSet, period: timedelta) -> list[ReplayedEvent]:
    """Return what rules would have made of the events of a period up to now.

    The alerts about storms are among them. What the stream suppressed before that period stays
    suppressed; within it the limits of `settings` decide.

    Parameters
    ----------
    settings : Settings
        Where the database is (errors as of `livetrap.database.connection.connect`), and the
        limits.
    rules : RuleSet
        Rules to try.
    period : timedelta
        Length of the period.

    Returns
    -------
    list of ReplayedEvent
        Oldest first.
    """
    past = fetch_past_events(settings.postgres, rules, period)
    n_due = Counter(
        each.event.image_id for each in past if each.is_of_image and each.rule is not None
    )
    return _replay(past, rules, RuleReplay(settings.alert, n_due))


def _replay(past: list[PastEvent], rules: RuleSet, replay: RuleReplay) -> list[ReplayedEvent]:
    """Return the events of the period; of a released event the outcome after its release."""
    replayed: dict[str, ReplayedEvent] = {}
    is_alerted: dict[str, bool] = {}
    for each, is_released in _in_order(past):
        event = each.event
        if is_alerted.get(event.event_id):
            continue  # released then, but these rules had sent it before
        is_suppressed = each.was_suppressed and not each.is_in_period and not is_released
        verdict = replay.decide(
            event, each.rule, is_suppressed=is_suppressed, is_released=is_released
        )
        is_alerted[event.event_id] = verdict.is_alerted
        if each.is_in_period:
            replayed[event.event_id] = _to_replayed(event, verdict, rules)
            if verdict.storm is not None:
                storm = Verdict(STORM.rule or "", is_alerted=True)
                replayed[verdict.storm.event_id] = _to_replayed(verdict.storm, storm, rules)
    return list(replayed.values())


def _in_order(past: list[PastEvent]) -> Iterator[tuple[PastEvent, bool]]:
    """Yield each event when it was detected, and again, with True, when it was released."""
    released: list[tuple[datetime, str, PastEvent]] = []
    for each in past:
        while released and released[0][0] <= each.time_detected:
            yield heappop(released)[-1], True
        yield each, False
        if each.time_released is not None:
            heappush(released, (each.time_released, each.event.event_id, each))
    while released:
        yield heappop(released)[-1], True


def _to_replayed(event: SourceEvent, verdict: Verdict, rules: RuleSet) -> ReplayedEvent:
    why: tuple[str, ...] = (verdict.reason,) if verdict.reason else ()
    if verdict.outcome == "no_rule" and not rules.matches:
        why = tuple(explain_no_rule(rules.rules, facts_of(event)))
    return ReplayedEvent(
        event_id=event.event_id,
        stream=event.stream,
        kind=event.transient_kind or event.kind,
        snr=event.snr,
        ra=event.ra,
        dec=event.dec,
        outcome=verdict.outcome,
        is_alerted=verdict.is_alerted,
        why=why,
    )

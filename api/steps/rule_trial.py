"""What rules would have made of the events of the past, as the alert service decides."""

import math
from bisect import bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from api.models.rules import RuleTrial, RuleTrialOrder, TriedEvent
from rules.explain import explain_no_rule
from rules.quantities import facts_of
from rules.rule_set import Rule, RuleSet
from schemas.event_json import event_from_json
from schemas.identity import TEST_STREAM
from schemas.messages import SourceEvent
from schemas.quality import QualityFlag

__all__ = ["MAX_EVENTS", "PastEvent", "try_rules"]

MAX_EVENTS = 5000
_MAX_DIFFERENCES = 50
_MINUTE = timedelta(minutes=1)
_SENT = ("alert", "follow_up")
_FOLLOWING = ("update", "retraction")


@dataclass(frozen=True, slots=True)
class PastEvent:
    """An event of the past.

    Parameters
    ----------
    event : SourceEvent
        As the associator detected it.
    time_detected : datetime
        When it did.
    was_alerted : bool
        An alert was sent.
    was_alerted_before : bool
        An alert of its transient was sent before the first event of the trial.
    """

    event: SourceEvent
    time_detected: datetime
    was_alerted: bool
    was_alerted_before: bool

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "PastEvent":
        """Return the event of a row of `list_past_events`."""
        return cls(
            event_from_json(row["event"]),
            row["time_detected"],
            row["was_alerted"],
            row["was_alerted_before"],
        )


@dataclass
class _Alerted:
    """What the rules have sent so far."""

    n_due_of_image: Counter[str]
    families: set[str] = field(default_factory=set)
    n_of_image: Counter[str] = field(default_factory=Counter)
    # Starts of the exposures of first alerts, by stream, in order of time.
    starts: defaultdict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))


def try_rules(
    rules: RuleSet,
    past: Sequence[PastEvent],
    matches: Sequence[Mapping[str, bool]],
    order: RuleTrialOrder,
    *,
    is_complete: bool,
) -> RuleTrial:
    """Return what rules would have made of events.

    What an operator released, or a storm's release sent, stays suppressed here.

    Parameters
    ----------
    rules : RuleSet
        Rules to try.
    past : sequence of PastEvent
        Oldest first.
    matches : sequence of mappings
        Of each event, whether a reference catalogue has a source there, by the key of the match.
    order : RuleTrialOrder
        Limits of a storm, and the days.
    is_complete : bool
        Whether these are all events of those days.
    """
    facts = [{**facts_of(each.event), **found} for each, found in zip(past, matches, strict=True)]
    applied = [rules.find(each) for each in facts]
    due = Counter(
        each.event.image_id
        for each, rule in zip(past, applied, strict=True)
        if rule is not None and each.event.kind not in _FOLLOWING
    )
    alerted = _Alerted(due, {each.event.trig_id for each in past if each.was_alerted_before})
    outcomes: Counter[str] = Counter()
    by_rule: Counter[str] = Counter()
    differences: list[TriedEvent] = []
    for each, rule, known in zip(past, applied, facts, strict=True):
        outcome, words = _decide(each.event, rule, alerted, order)
        outcomes[outcome] += 1
        if outcome == "alert" and rule is not None:
            by_rule[rule.name] += 1
        if (outcome in _SENT) != each.was_alerted:
            why = words or (explain_no_rule(rules.rules, known) if outcome == "no_rule" else [])
            differences.append(_to_tried(each, outcome, rule, why))
    return RuleTrial(
        days=order.days,
        n_events=len(past),
        is_complete=is_complete,
        n_alerted=sum(each.was_alerted for each in past),
        n_by_outcome=dict(outcomes),
        n_alerts_by_rule=dict(by_rule.most_common()),
        differences=differences[: -_MAX_DIFFERENCES - 1 : -1],
    )


def _decide(  # noqa: PLR0911  (one an outcome)
    event: SourceEvent, rule: Rule | None, alerted: _Alerted, order: RuleTrialOrder
) -> tuple[str, list[str]]:
    """Return what an event becomes, and why it is suppressed; note it if it is sent."""
    if not (math.isfinite(event.ra) and -90.0 <= event.dec <= 90.0):
        return "bad_position", []
    is_known = event.trig_id in alerted.families
    if event.kind == "retraction" and not is_known:
        return "never_alerted", []
    if event.kind in _FOLLOWING and is_known:
        return "follow_up", []
    if rule is None and event.stream != TEST_STREAM:
        return "no_rule", []
    if is_known:
        return "alert", []
    if storm := _find_storm(event, alerted, order):
        return "suppressed", [storm]
    alerted.families.add(event.trig_id)
    alerted.n_of_image[event.image_id] += 1
    insort(alerted.starts[event.stream], event.time_start)
    return "alert", []


def _find_storm(event: SourceEvent, alerted: _Alerted, order: RuleTrialOrder) -> str:
    """Return why a first alert is suppressed; empty if it is not."""
    if event.quality_flags & QualityFlag.SIDE_LOBE:
        return f"image {event.image_id} shows side lobes of a bright source as new sources"
    n_of_image = max(
        alerted.n_due_of_image[event.image_id], alerted.n_of_image[event.image_id] + 1
    )
    if n_of_image > order.max_per_image:
        return f"image {event.image_id} brought more than {order.max_per_image} candidates"
    starts = alerted.starts[event.stream]
    earlier = bisect_right(starts, _minute_before(event.time_start))
    n_of_minute = bisect_right(starts, event.time_start) - earlier
    if n_of_minute >= order.max_per_minute:
        minute = f"{event.time_start:%FT%TZ}"
        return f"the minute before {minute} brought more than {order.max_per_minute} candidates"
    return ""


def _minute_before(time: datetime) -> datetime:
    try:
        return time - _MINUTE
    except OverflowError:  # the first minute of the year 1
        return time


def _to_tried(each: PastEvent, outcome: str, rule: Rule | None, why: list[str]) -> TriedEvent:
    event = each.event
    return TriedEvent(
        event_id=event.event_id,
        stream=event.stream,
        kind=event.transient_kind or event.kind,
        snr=event.snr,
        ra=event.ra,
        dec=event.dec,
        time_detected=each.time_detected,
        was_alerted=each.was_alerted,
        outcome=outcome,
        rule=None if rule is None else rule.name,
        why=why,
    )

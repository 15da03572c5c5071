"""Decide which source events become alerts."""

import math
from collections.abc import Mapping
from dataclasses import replace

from rules.quantities import facts_of
from rules.rule_set import Rule, RuleSet
from runtime.errors import RejectedMessageError
from schemas.identity import TEST_STREAM
from schemas.messages import SourceEvent
from services.alert.errors import NotDueError
from services.alert.models import AlertHistory, Decision, EventContext

__all__ = ["check_event", "decide", "decide_by", "weigh"]

_UNRULED_IMPORTANCE = 0.5
_OPERATORS_TEST = Decision("operator's test", 0.0, "test")


def check_event(event: SourceEvent) -> None:
    """Reject an event without a position to point a telescope at.

    Raises
    ------
    RejectedMessageError
        If the position is not on the sky.
    """
    if not (math.isfinite(event.ra) and -90.0 <= event.dec <= 90.0):
        raise RejectedMessageError(
            "bad_position",
            f"event {event.event_id}: ra={event.ra} dec={event.dec} is not on the sky",
        )


def decide(
    event: SourceEvent,
    rules: RuleSet,
    matches: Mapping[str, bool],
    *,
    before: AlertHistory,
    role: str,
) -> Decision:
    """Return how an event becomes an alert.

    Parameters
    ----------
    event : SourceEvent
        Event of the associator.
    rules : RuleSet
        Rules that apply now.
    matches : mapping
        Whether a reference catalogue has a source there, by the key of each match in the rules.
    before : AlertHistory
        Earlier alerts.
    role : str
        Role if the rule names none.

    Raises
    ------
    NotDueError
        If it becomes no alert.
    """
    rule = rules.find({**facts_of(event), **matches})
    return decide_by(event, rule, before=before, role=role)


def decide_by(
    event: SourceEvent, rule: Rule | None, *, before: AlertHistory, role: str
) -> Decision:
    """Return how an event becomes an alert, by the first rule that is true of it.

    An alert is updated and retracted whatever the rules are now: those who received it must
    receive the follow-up. An update about a source without an alert may become its first one.
    A retraction is as important as the most important alert that it takes back: who let that one
    pass must hear of its end.

    Raises
    ------
    NotDueError
        If it becomes no alert.
    """
    if event.stream == TEST_STREAM:
        return _OPERATORS_TEST
    if event.kind == "retraction" and not before.revision:
        raise NotDueError("never_alerted")
    if event.kind == "retraction":
        return Decision(None, before.importance, before.role or role)
    if event.kind == "update" and before.revision:
        importance = rule.importance if rule is not None else _UNRULED_IMPORTANCE
        return Decision(None, importance, before.role or role)
    if rule is None:
        raise NotDueError("no_rule")
    # A source that was injected stays so, whichever rule applies to a later event of it.
    usual = "injection" if before.role == "injection" else role
    return Decision(rule.name, rule.importance, rule.role or usual, before.release)


def weigh(decision: Decision, event: SourceEvent, context: EventContext) -> Decision:
    """Return a decision with the importance that false alarms leave of it.

    The importance of the rule, over one plus the false alarms of this S/N expected a day, over
    one plus the retracted transients at the same position, times the probability that the source
    is no artefact of a bright one. That of a retraction is given by what it takes back.
    """
    if event.kind == "retraction":
        return decision
    rate = context.false_alarms_per_day
    trust = 1.0 if rate is None else 1 / (1 + rate)
    trust /= 1 + context.n_retracted_here
    trust *= 1 - min(max(event.p_false or 0.0, 0.0), 1.0)
    return replace(decision, importance=round(decision.importance * trust, 4))

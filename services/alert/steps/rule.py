"""Which source events deserve an alert."""

import math
from collections.abc import Mapping

from rules.quantities import facts_of
from rules.rulebook import Rule, RuleBook
from runtime.errors import RejectedMessageError
from schemas.identity import TEST_STREAM
from schemas.messages import SourceEvent
from services.alert.errors import NotDueError
from services.alert.models import AlertHistory, Decision

__all__ = ["check_event", "decide", "decide_by"]

_UNRULED_IMPORTANCE = 0.5
_OPERATORS_TEST = Decision("operator's test", 0.0, "test")


def check_event(event: SourceEvent) -> None:
    """Refuse an event that nobody could point a telescope at.

    Raises
    ------
    RejectedMessageError
        If the position is no position.
    """
    if not (math.isfinite(event.ra) and -90.0 <= event.dec <= 90.0):
        raise RejectedMessageError(
            "bad_position", f"event {event.event_id}: ra={event.ra} dec={event.dec} is nowhere"
        )


def decide(
    event: SourceEvent,
    rules: RuleBook,
    matches: Mapping[str, bool],
    *,
    before: AlertHistory,
    role: str,
) -> Decision:
    """Return how an event becomes an alert.

    Parameters
    ----------
    event : SourceEvent
        What the associator found.
    rules : RuleBook
        What is wanted.
    matches : mapping
        Whether reference catalogues have it, by the key of each question of the rules.
    before : AlertHistory
        What was alerted so far.
    role : str
        Where the rule names none.

    Raises
    ------
    NotDueError
        If it becomes none.
    """
    rule = rules.find({**facts_of(event), **matches})
    return decide_by(event, rule, before=before, role=role)


def decide_by(
    event: SourceEvent, rule: Rule | None, *, before: AlertHistory, role: str
) -> Decision:
    """Return how an event becomes an alert, by the first rule that fits it.

    What was alerted is updated and taken back whatever the rules say now: who heard the one must
    hear the other. An update of what was not alerted may be the first that a rule wants.

    Raises
    ------
    NotDueError
        If it becomes none.
    """
    if event.stream == TEST_STREAM:
        return _OPERATORS_TEST
    if event.kind == "retraction" and not before.revision:
        raise NotDueError("never_alerted")
    if event.kind in ("update", "retraction") and before.revision:
        importance = rule.importance if rule is not None else _UNRULED_IMPORTANCE
        return Decision(None, importance, before.role or role)
    if rule is None:
        raise NotDueError("no_rule")
    # What was put into the images stays so, whichever rule another finding of it fits.
    usual = "injection" if before.role == "injection" else role
    return Decision(rule.name, rule.importance, rule.role or usual)

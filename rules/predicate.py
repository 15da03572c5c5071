"""Evaluate an expression for one event."""

import math
import operator
import typing
from collections.abc import Callable

from rules.expression import (
    All,
    Any,
    Comparison,
    Flag,
    Literal_,
    Match,
    Member,
    Name,
    Node,
    Not,
    Within,
)
from rules.quantities import Facts

__all__ = ["is_true"]

_COMPARE: dict[str, Callable[[typing.Any, typing.Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt,
    "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def is_true(node: Node, facts: Facts) -> bool:  # noqa: PLR0911  (one a kind of node)
    """Return whether an expression is true of an event.

    Parameters
    ----------
    node : Node
        The expression.
    facts : mapping
        From `rules.quantities.facts_of`, with the result of each `Match` by its key.
    """
    match node:
        case All(parts=parts):
            return all(is_true(part, facts) for part in parts)
        case Any(parts=parts):
            return any(is_true(part, facts) for part in parts)
        case Not(part=part):
            return not is_true(part, facts)
        case Comparison():
            left, right = _value(node.left, facts), _value(node.right, facts)
            known = left is not None and right is not None
            return known and _COMPARE[node.operator](left, right)
        case Member():
            return facts[node.name] in node.values
        case Flag():
            return bool(facts[node.name])
        case Within():
            return _is_within(node, facts)
        case Match():
            return bool(facts[node.key])


def _value(operand: Name | Literal_, facts: Facts) -> object:
    return facts[operand.name] if isinstance(operand, Name) else operand.value


def _is_within(circle: Within, facts: Facts) -> bool:
    ra, dec = facts["ra"], facts["dec"]
    if not isinstance(ra, float) or not isinstance(dec, float):
        return False
    ra, dec = round(ra, 9), round(dec, 9)  # as in SQL
    haversine = (
        math.sin(math.radians(dec - circle.dec) / 2) ** 2
        + math.cos(math.radians(dec))
        * math.cos(math.radians(circle.dec))
        * math.sin(math.radians(ra - circle.ra) / 2) ** 2
    )
    return haversine <= math.sin(math.radians(circle.radius_deg) / 2) ** 2

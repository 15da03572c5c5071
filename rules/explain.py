"""Explain why a rule does not apply to an event."""

from collections.abc import Iterable

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
from rules.predicate import is_true
from rules.quantities import Facts
from rules.rule_set import Rule

__all__ = ["explain_mismatch", "explain_no_rule", "to_text"]


def to_text(node: Node) -> str:  # noqa: PLR0911  (one a kind of node)
    """Return an expression as text that parses to the same tree."""
    match node:
        case All(parts=parts):
            return " and ".join(_bracketed(part) for part in parts)
        case Any(parts=parts):
            return " or ".join(_bracketed(part) for part in parts)
        case Not(part=part):
            return f"not {_bracketed(part)}"
        case Comparison(left=left, operator=operator, right=right):
            return f"{_operand(left)} {operator} {_operand(right)}"
        case Member(name=name, values=values):
            return f"{name} in {list(values)!r}"
        case Flag(name=name):
            return name
        case Within(ra=ra, dec=dec, radius_deg=radius):
            return f"within({ra!r}, {dec!r}, {radius!r})"
        case Match(catalogue=catalogue, radius_arcsec=radius):
            return f"matches({catalogue!r}, {radius!r})"


def _bracketed(node: Node) -> str:
    return f"({to_text(node)})" if isinstance(node, All | Any | Not) else to_text(node)


def _operand(operand: Name | Literal_) -> str:
    return operand.name if isinstance(operand, Name) else repr(operand.value)


def explain_no_rule(rules: Iterable[Rule], facts: Facts) -> list[str]:
    """Return the conditions that are false of rules that do not apply, each with its rule."""
    return [
        f"{rule.name}: {condition}"
        for rule in rules
        for condition in explain_mismatch(rule.when, facts)
    ]


def explain_mismatch(node: Node, facts: Facts) -> list[str]:
    """Return the parts of an expression that are false, each with the values of the event."""
    if is_true(node, facts):
        return []
    if isinstance(node, All):
        return [line for part in node.parts for line in explain_mismatch(part, facts)]
    values = ", ".join(f"{name} = {facts[name]}" for name in sorted(_names(node)))
    return [f"not true: {to_text(node)}" + (f"  ({values})" if values else "")]


def _names(node: Node) -> set[str]:
    match node:
        case All(parts=parts) | Any(parts=parts):
            return {name for part in parts for name in _names(part)}
        case Not(part=part):
            return _names(part)
        case Comparison(left=left, right=right):
            return {each.name for each in (left, right) if isinstance(each, Name)}
        case Member(name=name) | Flag(name=name):
            return {name}
        case Within():
            return {"ra", "dec"}
        case Match():
            return set()

"""What is wrong with rules that can be read: conditions that are true of no event, or of all."""

from collections.abc import Iterator

from rules.explain import to_text
from rules.expression import All, Any, Comparison, Literal_, Name, Node, Not
from rules.quantities import QUANTITIES
from rules.rule_set import RuleSet
from rules.truth import Possibilities, Work
from runtime.errors import SettingsError

__all__ = ["check_rules", "find_doubts", "find_parts_in_doubt", "why_never_true"]

_MAX_SHOWN_CHARS = 120
# Of a file of rules: half a second. What is not looked at by then is in no doubt.
_MAX_STEPS = 500_000


def check_rules(rule_set: RuleSet) -> None:
    """Refuse a rule that no event can make true.

    Raises
    ------
    SettingsError
        If there is one; the message says why.
    """
    for rule in rule_set.rules:
        if reason := why_never_true(rule.when):
            raise SettingsError(f"rule {rule.name!r}: no event can make it true: {reason}")


def find_doubts(rule_set: RuleSet) -> list[str]:
    """Return what an author of rules has hardly meant, a line each; each rule can be true."""
    doubts: list[str] = []
    work = Work(_MAX_STEPS)
    for n, rule in enumerate(rule_set.rules):
        if not work.is_left:
            break
        parts = _find_parts(rule.when, Possibilities(rule.when, work))
        doubts += [f"rule {rule.name!r}: {each}" for each in parts]
        before = tuple(Not(each.when) for each in rule_set.rules[:n])
        alone = All((rule.when, *before))
        if before and not Possibilities(alone, work).can_be_true(alone):
            doubts.append(
                f"rule {rule.name!r}: never applies: rules before it take all its events"
            )
    return doubts


def why_never_true(node: Node) -> str:
    """Return why no event can make an expression true; empty if one can, or if nobody knows."""
    possibilities = Possibilities(node)
    if possibilities.can_be_true(node):
        return ""
    while isinstance(node, All):
        never = [part for part in node.parts if not possibilities.can_be_true(part)]
        if not never:
            break
        node = never[0]
    return f"`{_shown(node)}` is never true{_range_of(node)}"


def find_parts_in_doubt(node: Node) -> list[str]:
    """Return which parts of an expression are never true, or always, a line each."""
    return list(_find_parts(node, Possibilities(node)))


def _find_parts(node: Node, possibilities: Possibilities) -> Iterator[str]:
    if not possibilities.can_be_true(node):
        yield f"`{_shown(node)}` is never true{_range_of(node)}"
    elif not possibilities.can_be_true(Not(node)):
        yield f"`{_shown(node)}` is always true{_range_of(node)}"
    elif isinstance(node, All | Any):
        for part in node.parts:
            yield from _find_parts(part, possibilities)
    elif isinstance(node, Not):
        yield from _find_parts(node.part, possibilities)


def _shown(node: Node) -> str:
    text = to_text(node)
    return text if len(text) <= _MAX_SHOWN_CHARS else f"{text[:_MAX_SHOWN_CHARS]} ..."


def _range_of(node: Node) -> str:
    """Return what a number is that is compared with one, for the end of a message."""
    match node:
        case Comparison(left=Name(name), right=Literal_()):
            pass
        case Comparison(left=Literal_(), right=Name(name)):
            pass
        case Not(part=part):
            return _range_of(part)
        case _:
            return ""
    words = QUANTITIES[name].range_in_words
    return f"; {name} is {words}" if words else ""

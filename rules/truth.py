"""Whether any event can make a condition true: found from the values that quantities can have.

A comparison with constants divides the values of a quantity into few classes, and is true of a
whole class or of none of it: one sample of each class is enough.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

from rules.expression import All, Any, Comparison, Flag, Literal_, Member, Name, Node, Not
from rules.predicate import is_true
from rules.quantities import QUANTITIES, Quantity, Value

__all__ = ["Possibilities", "Work"]

# Of all questions about one expression, in conditions of one value: a tenth of a second.
_MAX_STEPS = 100_000
# What is done beside the conditions, as as many of them.
_STEPS_PER_STATE = 10
# A text that no rule names: a quantity may have any but those named.
_ANOTHER_TEXT = "\x00"

_Key = str | Node
_Wanted = tuple[Node, bool]


class Work:
    """How much may be done yet; what is not decided by then counts as possible.

    Parameters
    ----------
    n_steps : int
        Conditions of one value [-].
    """

    def __init__(self, n_steps: int = _MAX_STEPS) -> None:
        self._n_left = n_steps

    @property
    def is_left(self) -> bool:
        """Whether anything may be done yet."""
        return self._n_left > 0

    def spend(self, n_steps: int) -> None:
        """Count what is done."""
        self._n_left -= n_steps


class Possibilities:
    """What the parts of an expression can be.

    Comparisons of two numbers, positions and matches with catalogues count as independent of all
    others, so that ``can_be_true`` is False only where no event makes the condition true.

    Parameters
    ----------
    root : Node
        The expression.
    work : Work or None
        Of several expressions together; None: this one has its own.
    """

    def __init__(self, root: Node, work: Work | None = None) -> None:
        self._work = work or Work()
        constants: dict[str, set[float | str]] = {}
        _collect(root, constants)
        self._samples: dict[str, frozenset[Value]] = {
            name: frozenset(_sample(QUANTITIES[name], values))
            for name, values in constants.items()
        }
        self._work.spend(sum(len(each) for each in self._samples.values()))

    def can_be_true(self, node: Node) -> bool:
        """Return whether a part of the expression, or what is made of its parts, can be true."""
        # Each state: what must hold yet, and the values that are left for what was looked at.
        states: list[tuple[tuple[_Wanted, ...], dict[_Key, frozenset[Value]]]] = [
            (((node, True),), {})
        ]
        while states:
            if not self._work.is_left:
                return True
            self._work.spend(_STEPS_PER_STATE)
            wanted, left = states.pop()
            if not wanted:
                return True
            (part, is_wanted), *rest = wanted
            if isinstance(part, Not):
                states.append((((part.part, not is_wanted), *rest), left))
            elif isinstance(part, All | Any):
                parts = [(each, is_wanted) for each in part.parts]
                if isinstance(part, All) == is_wanted:
                    states.append((_simple_first([*parts, *rest]), left))
                else:
                    states += [((each, *rest), left) for each in parts]
            elif fitting := self._fitting(part, left, is_wanted=is_wanted):
                states.append((tuple(rest), left | fitting))
        return False

    def _fitting(
        self, part: Node, left: dict[_Key, frozenset[Value]], *, is_wanted: bool
    ) -> dict[_Key, frozenset[Value]]:
        """Return the values of what a simple condition is about with which it holds, or nothing.

        A condition whose quantities have no samples is a quantity of its own, true or false.
        """
        names = _names_of(part)
        if len(names) == 1:
            (name,) = names
            values = left.get(name, self._samples[name])
            self._work.spend(len(values))
            fitting = frozenset(
                each for each in values if is_true(part, {name: each}) is is_wanted
            )
            return {name: fitting} if fitting else {}
        values = left.get(part, self._outcomes(part))
        return {part: frozenset({is_wanted})} if is_wanted in values else {}

    def _outcomes(self, part: Node) -> frozenset[Value]:
        """Return what a condition about several quantities, or about none, can be."""
        if isinstance(part, Comparison):
            one, other = sorted(_names_of(part))
            if QUANTITIES[one].choices and QUANTITIES[other].choices:
                return frozenset(
                    is_true(part, {one: first, other: second})
                    for first in self._samples[one]
                    for second in self._samples[other]
                )
        return frozenset({True, False})


def _simple_first(wanted: list[_Wanted]) -> tuple[_Wanted, ...]:
    """Return conditions in the order in which fewest are looked at twice."""
    return tuple(sorted(wanted, key=lambda each: isinstance(each[0], Not | All | Any)))


def _names_of(node: Node) -> frozenset[str]:
    """Return the quantities of a simple condition; none of a position or a match."""
    match node:
        case Comparison(left=left, right=right):
            return frozenset(each.name for each in (left, right) if isinstance(each, Name))
        case Member(name=name) | Flag(name=name):
            return frozenset({name})
    return frozenset()


def _collect(node: Node, constants: dict[str, set[float | str]]) -> None:
    """Add the constants with which each quantity is compared."""
    match node:
        case All(parts=parts) | Any(parts=parts):
            for part in parts:
                _collect(part, constants)
        case Not(part=part):
            _collect(part, constants)
        case Comparison(left=left, right=right):
            found = [each.value for each in (left, right) if isinstance(each, Literal_)]
            for name in _names_of(node):
                constants.setdefault(name, set()).update(found)
        case Member(name=name, values=values):
            constants.setdefault(name, set()).update(values)
        case Flag(name=name):
            constants.setdefault(name, set())


def _sample(quantity: Quantity, constants: set[float | str]) -> Iterator[Value]:
    """Yield a value of each class into which constants divide the values of a quantity."""
    if quantity.kind == "flag":
        yield from (True, False)
    elif quantity.kind == "text":
        yield from (constant for constant in constants if quantity.can_be(constant))
        yield from quantity.choices or (None, _ANOTHER_TEXT)
    else:
        yield from _sample_numbers(
            quantity, {each for each in constants if isinstance(each, float)}
        )


def _sample_numbers(quantity: Quantity, constants: set[float]) -> Iterator[Value]:
    edges = sorted({quantity.least, quantity.most, *constants})
    between = [_between(*each, is_whole=quantity.is_whole) for each in pairwise(edges)]
    for value in (*edges, *between):
        is_possible = quantity.least <= value <= quantity.most
        if is_possible and not (quantity.is_whole and value % 1):
            yield value
    if not quantity.is_whole:
        yield None  # not measured


def _between(low: float, high: float, *, is_whole: bool) -> float:
    """Return a value between two; one of them if there is none."""
    if not is_whole:
        return 0.0 if math.isinf(low) and math.isinf(high) else (low + high) / 2
    return min(math.floor(low) + 1, high)

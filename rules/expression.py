"""From text to a tree: the grammar is a small part of Python's, checked term by term."""

import ast
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rules.quantities import QUANTITIES

__all__ = [
    "All",
    "Any",
    "Comparison",
    "Flag",
    "Literal_",
    "Match",
    "Member",
    "Name",
    "Node",
    "Not",
    "RuleError",
    "Within",
    "find_matches",
    "parse",
]

_MOST_CHARACTERS = 4000
_DEEPEST = 30
Operator = Literal["==", "!=", "<", "<=", ">", ">="]
_OPERATORS: dict[type[ast.cmpop], Operator] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip


class RuleError(ValueError):
    """An expression that is none; its text says what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Name:
    """A quantity."""

    name: str


@dataclass(frozen=True, slots=True)
class Literal_:  # noqa: N801  (Literal is typing's)
    """A number or a text."""

    value: float | str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two operands; false where one of them is missing."""

    left: "Name | Literal_"
    operator: Operator
    right: "Name | Literal_"


@dataclass(frozen=True, slots=True)
class Member:
    """A quantity that is one of some values; false where it is missing."""

    name: str
    values: tuple[float | str, ...]


@dataclass(frozen=True, slots=True)
class Flag:
    """A quantity that is true or false by itself."""

    name: str


@dataclass(frozen=True, slots=True)
class Within:
    """The position lies in a circle [deg]."""

    ra: float
    dec: float
    radius_deg: float


@dataclass(frozen=True, slots=True)
class Match:
    """A source of a reference catalogue lies near the position."""

    catalogue: str
    radius_arcsec: float

    @property
    def key(self) -> str:
        """Name of the answer among an event's facts."""
        return f"matches {self.catalogue} {self.radius_arcsec!r}"


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    part: "Node"


@dataclass(frozen=True, slots=True)
class All:
    """Every part."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Any:
    """One part or more."""

    parts: tuple["Node", ...]


Node = Comparison | Member | Flag | Within | Match | Not | All | Any


def parse(text: str) -> Node:
    """Return the tree of an expression.

    Raises
    ------
    RuleError
        If it is none; the text says what is wrong, where, and what would be right.
    """
    if len(text) > _MOST_CHARACTERS:
        raise RuleError(f"longer than {_MOST_CHARACTERS} characters")
    # Lines are for the reader of the file; a position is told in one.
    line = " ".join(text.split())
    try:
        tree = ast.parse(line, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f" at character {error.offset}" if isinstance(error, SyntaxError) else ""
        raise RuleError(f"not an expression{where}: {error}") from None
    return _Parser(line).condition(tree.body)


def _round(angle_deg: float) -> float:
    """Return an angle without digits that mean nothing; PostgreSQL chokes on tiny products."""
    return round(angle_deg, 9)


class _Parser:
    """Checks each term; knows the text to point into it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def condition(self, node: ast.expr, depth: int = 0) -> Node:
        if depth > _DEEPEST:
            raise self._error(node, f"nested deeper than {_DEEPEST}")
        match node:
            case ast.BoolOp(op=operator, values=values):
                parts = tuple(self.condition(value, depth + 1) for value in values)
                return All(parts) if isinstance(operator, ast.And) else Any(parts)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(self.condition(operand, depth + 1))
            case ast.Compare():
                return self._comparison(node)
            case ast.Call():
                return self._call(node)
            case ast.Name(id=name):
                if self._kind(node) != "flag":
                    raise self._error(node, f"{name} is no yes or no: compare it with something")
                return Flag(name)
        raise self._error(node, "expected a comparison, a flag, within(...) or matches(...)")

    def _comparison(self, node: ast.Compare) -> Node:
        operands = [node.left, *node.comparators]
        parts: list[Node] = []
        for left, operator, right in zip(operands, node.ops, operands[1:], strict=False):
            if isinstance(operator, ast.In | ast.NotIn):
                member = self._member(left, right)
                parts.append(member if isinstance(operator, ast.In) else Not(member))
            elif type(operator) in _OPERATORS:
                parts.append(self._pair(left, _OPERATORS[type(operator)], right))
            else:
                raise self._error(node, "`is` is no comparison; use ==")
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _pair(self, left: ast.expr, operator: Operator, right: ast.expr) -> Node:
        one, other = self._operand(left), self._operand(right)
        kinds = {self._kind_of(one), self._kind_of(other)}
        if not isinstance(one, Name) and not isinstance(other, Name):
            raise self._error(left, "two constants: one side must be a quantity")
        if len(kinds) > 1:
            raise self._error(left, f"cannot compare a {' with a '.join(sorted(kinds))}")
        if kinds == {"text"} and operator not in ("==", "!="):
            raise self._error(left, "texts are equal or not; they have no order")
        return Comparison(one, operator, other)

    def _member(self, left: ast.expr, right: ast.expr) -> Member:
        if not isinstance(left, ast.Name):
            raise self._error(left, "`in` needs a quantity on its left")
        kind = self._kind(left)
        if not isinstance(right, ast.List | ast.Tuple) or not right.elts:
            raise self._error(right, "`in` needs a list on its right, such as ['a', 'b']")
        values = []
        for element in right.elts:
            value = self._operand(element)
            if not isinstance(value, Literal_) or self._kind_of(value) != kind:
                raise self._error(element, f"{left.id} is a {kind}: so must be the list")
            values.append(value.value)
        return Member(left.id, tuple(values))

    def _operand(self, node: ast.expr) -> Name | Literal_:
        match node:
            case ast.Name(id=name):
                if self._kind(node) == "flag":
                    raise self._error(node, f"{name} is yes or no by itself; leave the rest away")
                return Name(name)
            case ast.Constant(value=str() as text):
                if "\x00" in text:
                    raise self._error(node, "a text cannot have a null character")
                return Literal_(text)
            case ast.Constant() | ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=ast.Constant()):
                return Literal_(self._number(node))
        raise self._error(node, "expected a quantity, a number or a text in quotes")

    def _number(self, node: ast.expr) -> float:
        match node:
            case ast.Constant(value=bool()):
                pass
            case ast.Constant(value=int() | float() as number):
                value = float(number) if abs(number) < 1e300 else math.inf
                if math.isfinite(value):
                    return value
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._number(operand)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self._number(operand)
        raise self._error(node, "expected a finite number")

    def _call(self, node: ast.Call) -> Node:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if node.keywords:
            raise self._error(node, f"{name} takes no names for its values")
        if name == "within":
            ra, dec, radius = self._numbers(
                node, node.args, "within(ra, dec, radius) in degrees", 3
            )
            if not (abs(dec) <= 90 and 0 < radius <= 180):
                raise self._error(node, "dec is -90 to 90, the radius above 0 to 180 degrees")
            return Within(_round(ra % 360.0) % 360.0, _round(dec), max(_round(radius), 1e-9))
        if name == "matches":
            usage = "matches('catalogue', radius) in arcsec"
            if len(node.args) != 2 or not isinstance(self._operand(node.args[0]), Literal_):
                raise self._error(node, f"it is {usage}")
            catalogue = self._operand(node.args[0])
            (radius,) = self._numbers(node, node.args[1:], usage, 1)
            if not isinstance(catalogue, Literal_) or not isinstance(catalogue.value, str):
                raise self._error(node, f"it is {usage}")
            if not 0 < radius <= 3600:
                raise self._error(node, "the radius is above 0 to 3600 arcsec")
            return Match(catalogue.value, radius)
        raise self._error(node, "the functions are within(...) and matches(...)")

    def _numbers(
        self, node: ast.Call, arguments: Sequence[ast.expr], usage: str, n: int
    ) -> list[float]:
        if len(arguments) != n:
            raise self._error(node, f"it is {usage}")
        return [self._number(argument) for argument in arguments]

    def _kind(self, node: ast.Name) -> str:
        quantity = QUANTITIES.get(node.id)
        if quantity is None:
            raise self._error(
                node, f"{node.id} is no quantity; `livetrap rules quantities` lists them"
            )
        return quantity.kind

    def _kind_of(self, operand: Name | Literal_) -> str:
        if isinstance(operand, Name):
            return QUANTITIES[operand.name].kind
        return "text" if isinstance(operand.value, str) else "number"

    def _error(self, node: ast.expr, words: str) -> RuleError:
        at = self._text[node.col_offset :][:40]
        return RuleError(f"at `{at}`: {words}")


def find_matches(node: Node) -> frozenset[Match]:
    """Return the reference catalogues that an expression asks."""
    match node:
        case Match():
            return frozenset({node})
        case Not(part=part):
            return find_matches(part)
        case All(parts=parts) | Any(parts=parts):
            return frozenset().union(*(find_matches(part) for part in parts))
    return frozenset()

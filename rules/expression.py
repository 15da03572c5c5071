"""Parse an expression into a tree: the grammar is a small part of Python's."""

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

_MAX_CHARS = 4000
_MAX_DEPTH = 30
Operator = Literal["==", "!=", "<", "<=", ">", ">="]
_OPERATORS: dict[type[ast.cmpop], Operator] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip


class RuleError(ValueError):
    """A text is no valid expression; the message says what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Name:
    """A quantity."""

    name: str


@dataclass(frozen=True, slots=True)
class Literal_:  # noqa: N801  (Literal is typing's)
    """A number or a text in an expression."""

    value: float | str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two operands; false if one of them is missing."""

    left: "Name | Literal_"
    operator: Operator
    right: "Name | Literal_"


@dataclass(frozen=True, slots=True)
class Member:
    """A quantity that is one of several values; false if it is missing."""

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
        """Name of the result among the facts of an event."""
        return f"matches {self.catalogue} {self.radius_arcsec!r}"


@dataclass(frozen=True, slots=True)
class Not:
    """True if its part is false."""

    part: "Node"


@dataclass(frozen=True, slots=True)
class All:
    """True if every part is."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Any:
    """True if one of its parts is."""

    parts: tuple["Node", ...]


Node = Comparison | Member | Flag | Within | Match | Not | All | Any


def parse(text: str) -> Node:
    """Return the tree of an expression.

    Raises
    ------
    RuleError
        If it is not valid; the message says what is wrong, where, and how to correct it.
    """
    if len(text) > _MAX_CHARS:
        raise RuleError(f"longer than {_MAX_CHARS} characters")
    # Messages name a position in one line, however many the file has.
    line = " ".join(text.split())
    try:
        tree = ast.parse(line, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f" at character {error.offset}" if isinstance(error, SyntaxError) else ""
        raise RuleError(f"not an expression{where}: {error}") from None
    return _Parser(line).condition(tree.body)


def _round(angle_deg: float) -> float:
    """Return an angle without meaningless digits: PostgreSQL raises an error on an underflow."""
    return round(angle_deg, 9)


class _Parser:
    """Checks each term; keeps the text to quote the position of an error."""

    def __init__(self, text: str) -> None:
        self._text = text

    def condition(self, node: ast.expr, depth: int = 0) -> Node:
        if depth > _MAX_DEPTH:
            raise self._error(node, f"nested deeper than {_MAX_DEPTH}")
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
                    raise self._error(node, f"{name} is no flag: compare it with a value")
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
                raise self._error(node, "`is` is not allowed; use ==")
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _pair(self, left: ast.expr, operator: Operator, right: ast.expr) -> Node:
        one, other = self._operand(left), self._operand(right)
        kinds = {self._kind_of(one), self._kind_of(other)}
        if not isinstance(one, Name) and not isinstance(other, Name):
            raise self._error(left, "two constants: one side must be a quantity")
        if len(kinds) > 1:
            raise self._error(left, f"cannot compare a {' with a '.join(sorted(kinds))}")
        if kinds == {"text"} and operator not in ("==", "!="):
            raise self._error(left, "texts can be compared with == and != only")
        for name, literal in ((one, other), (other, one)):
            if isinstance(name, Name) and isinstance(literal, Literal_):
                self._check_choice(left, name.name, literal.value)
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
                raise self._error(element, f"{left.id} is a {kind}, and so must be every value")
            self._check_choice(element, left.id, value.value)
            values.append(value.value)
        return Member(left.id, tuple(values))

    def _check_choice(self, node: ast.expr, name: str, value: float | str) -> None:
        """Refuse a value that a quantity never has: the comparison would never change."""
        quantity = QUANTITIES[name]
        if not quantity.can_be(value):
            choices = " or ".join(quantity.choices)
            raise self._error(node, f"{name} is never {value!r}; it is {choices}")

    def _operand(self, node: ast.expr) -> Name | Literal_:
        match node:
            case ast.Name(id=name):
                if self._kind(node) == "flag":
                    raise self._error(node, f"{name} is a flag: write it alone, or after `not`")
                return Name(name)
            case ast.Constant(value=str() as text):
                if "\x00" in text or any("\ud800" <= each <= "\udfff" for each in text):
                    raise self._error(node, "a text cannot have null characters or surrogates")
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
            # One sign: each more would be a call inside a call.
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant() as operand):
                return -self._number(operand)
            case ast.UnaryOp(op=ast.UAdd(), operand=ast.Constant() as operand):
                return self._number(operand)
        raise self._error(node, "expected a finite number")

    def _call(self, node: ast.Call) -> Node:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if node.keywords:
            raise self._error(node, f"{name} takes values without names")
        if name == "within":
            ra, dec, radius = self._numbers(
                node, node.args, "within(ra, dec, radius) in degrees", 3
            )
            if not (abs(dec) <= 90 and 0 < radius <= 180):
                raise self._error(
                    node, "dec must be -90 to 90, the radius above 0 and up to 180 degrees"
                )
            return Within(_round(ra % 360.0) % 360.0, _round(dec), max(_round(radius), 1e-9))
        if name == "matches":
            usage = "matches('catalogue', radius) in arcsec"
            if len(node.args) != 2 or not isinstance(self._operand(node.args[0]), Literal_):
                raise self._error(node, f"write {usage}")
            catalogue = self._operand(node.args[0])
            (radius,) = self._numbers(node, node.args[1:], usage, 1)
            if not isinstance(catalogue, Literal_) or not isinstance(catalogue.value, str):
                raise self._error(node, f"write {usage}")
            if not 0 < radius <= 3600:
                raise self._error(node, "the radius must be above 0 and at most 3600 arcsec")
            return Match(catalogue.value, radius)
        raise self._error(node, "the only functions are within(...) and matches(...)")

    def _numbers(
        self, node: ast.Call, arguments: Sequence[ast.expr], usage: str, n: int
    ) -> list[float]:
        if len(arguments) != n:
            raise self._error(node, f"write {usage}")
        return [self._number(argument) for argument in arguments]

    def _kind(self, node: ast.Name) -> str:
        quantity = QUANTITIES.get(node.id)
        if quantity is None:
            raise self._error(
                node, f"{node.id} is no known quantity; `livetrap rules quantities` lists them"
            )
        return quantity.kind

    def _kind_of(self, operand: Name | Literal_) -> str:
        if isinstance(operand, Name):
            return QUANTITIES[operand.name].kind
        return "text" if isinstance(operand.value, str) else "number"

    def _error(self, node: ast.expr, message: str) -> RuleError:
        at = self._text[node.col_offset :][:40]
        return RuleError(f"at `{at}`: {message}")


def find_texts(node: Node, quantity: str) -> frozenset[str]:
    """Return the texts with which an expression compares a quantity, such as ``stream``."""
    match node:
        case Comparison(left=Name(name), right=Literal_(str() as text)) if name == quantity:
            return frozenset({text})
        case Comparison(left=Literal_(str() as text), right=Name(name)) if name == quantity:
            return frozenset({text})
        case Member(name=name, values=values) if name == quantity:
            return frozenset(str(value) for value in values)
        case Not(part=part):
            return find_texts(part, quantity)
        case All(parts=parts) | Any(parts=parts):
            return frozenset().union(*(find_texts(part, quantity) for part in parts))
    return frozenset()


def find_matches(node: Node) -> frozenset[Match]:
    """Return the matches with reference catalogues in an expression."""
    match node:
        case Match():
            return frozenset({node})
        case Not(part=part):
            return find_matches(part)
        case All(parts=parts) | Any(parts=parts):
            return frozenset().union(*(find_matches(part) for part in parts))
    return frozenset()

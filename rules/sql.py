"""Translate an expression into a condition on table `source_event`; constants are parameters."""

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
from rules.quantities import QUANTITIES

__all__ = ["SqlCondition"]


class SqlCondition:
    """Conditions that share one list of parameters.

    Parameters
    ----------
    n_before : int
        Number of parameters that the statement has already [-].

    Attributes
    ----------
    parameters : list
        Values of $n_before+1 and so on.
    """

    def __init__(self, n_before: int = 0) -> None:
        self._n_before = n_before
        self.parameters: list[object] = []

    def of(self, node: Node) -> str:  # noqa: PLR0911  (one a kind of node)
        """Return SQL that is true or false, never null, just as `is_true` is."""
        match node:
            case All(parts=parts):
                return f"({' and '.join(self.of(part) for part in parts)})"
            case Any(parts=parts):
                return f"({' or '.join(self.of(part) for part in parts)})"
            case Not(part=part):
                return f"(not {self.of(part)})"
            case Comparison():
                sign = "<>" if node.operator == "!=" else node.operator.replace("==", "=")
                left, right = self._operand(node.left), self._operand(node.right)
                return f"coalesce({left} {sign} {right}, false)"
            case Member(name=name, values=values):
                kind = "text[]" if isinstance(values[0], str) else "float8[]"
                given = self._parameter(list(values), kind)
                return f"coalesce({QUANTITIES[name].sql} = any({given}), false)"
            case Flag(name=name):
                return f"coalesce({QUANTITIES[name].sql}, false)"
            case Within():
                return self._within(node)
            case Match():
                catalogue = self._parameter(node.catalogue, "text")
                radius = self._parameter(node.radius_arcsec, "float8")
                ra, dec = QUANTITIES["ra"].sql, QUANTITIES["dec"].sql
                return f"matches_reference({catalogue}, {ra}, {dec}, {radius})"

    def _operand(self, operand: Name | Literal_) -> str:
        if isinstance(operand, Name):
            return QUANTITIES[operand.name].sql
        is_text = isinstance(operand.value, str)
        return self._parameter(operand.value, "text" if is_text else "float8")

    def _within(self, circle: Within) -> str:
        ra, dec, radius = (
            self._parameter(value, "float8")
            for value in (circle.ra, circle.dec, circle.radius_deg)
        )
        # Digits below a nanodegree would underflow in the squares.
        east, north = (
            f"round((event ->> '{name}')::numeric, 9)::float8" for name in ("ra", "dec")
        )
        return (
            f"coalesce(sin(radians({north} - {dec}) / 2) ^ 2 + cos(radians({north})) "
            f"* cos(radians({dec})) * sin(radians({east} - {ra}) / 2) ^ 2 "
            f"<= sin(radians({radius}) / 2) ^ 2, false)"
        )

    def _parameter(self, value: object, kind: str) -> str:
        self.parameters.append(value)
        return f"${self._n_before + len(self.parameters)}::{kind}"

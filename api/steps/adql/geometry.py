"""Geometry of ADQL: points, circles and boxes, as trigonometry that PostgreSQL has by itself.

The formulas are those of the queries of the API, so that both find the same rows.
"""

import math
from dataclasses import dataclass

from sqlglot import exp

from api.errors import AdqlError
from api.steps.adql.functions import call

__all__ = ["PREDICATES", "SHAPES", "VALUES", "to_condition", "to_value"]

PREDICATES = frozenset({"CONTAINS", "INTERSECTS"})
SHAPES = frozenset({"POINT", "CIRCLE", "BOX"})
VALUES = frozenset({"DISTANCE", "COORD1", "COORD2", "AREA"})
_SYSTEMS = {"", "ICRS", "J2000", "FK5"}
# As of the queries of the API: a point on the circle is inside.
_ROUNDING = 1e-15


@dataclass(frozen=True, slots=True)
class Point:
    """A position, ICRS [deg]."""

    ra: exp.Expr
    dec: exp.Expr


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle on the sky: its centre and radius [deg]."""

    ra: exp.Expr
    dec: exp.Expr
    radius_deg: exp.Expr


@dataclass(frozen=True, slots=True)
class Box:
    """Centre, width in coordinates of right ascension, and height [deg]."""

    ra: exp.Expr
    dec: exp.Expr
    width_deg: exp.Expr
    height_deg: exp.Expr


Shape = Point | Circle | Box


def to_condition(node: exp.Anonymous) -> exp.Expr:
    """Return CONTAINS or INTERSECTS as a condition.

    Parameters
    ----------
    node : exp.Anonymous
        The call.

    Raises
    ------
    AdqlError
        If its arguments are other shapes than it is made for.
    """
    name = str(node.this).upper()
    if len(node.expressions) != 2:
        raise AdqlError(f"{name}: write two shapes")
    first, second = (_to_shape(each) for each in node.expressions)
    if name == "INTERSECTS" and isinstance(second, Point):
        first, second = second, first
    match first, second:
        case (Point(), Circle()):
            return _within(first, second, second.radius_deg)
        case (Point(), Box()):
            return _in_box(first, second)
        case (Circle(), Circle()) if name == "INTERSECTS":
            return _within(first, second, _sum(first.radius_deg, second.radius_deg))
        case (Circle(), Circle()):
            least = exp.GTE(this=second.radius_deg.copy(), expression=first.radius_deg.copy())
            apart = exp.Paren(
                this=exp.Sub(this=second.radius_deg.copy(), expression=first.radius_deg.copy())
            )
            return exp.and_(least, _within(first, second, apart))
        case _:
            raise AdqlError(
                f"{name}: a point and a circle or box, or two circles; "
                "other shapes are not compared here"
            )


def to_value(node: exp.Anonymous) -> exp.Expr:
    """Return DISTANCE, COORD1, COORD2 or AREA as an expression.

    Parameters
    ----------
    node : exp.Anonymous
        The call.

    Raises
    ------
    AdqlError
        As of `to_condition`.
    """
    name = str(node.this).upper()
    arguments = node.expressions
    if name == "DISTANCE":
        first, second = _to_points(arguments)
        half = call("sqrt", call("least", exp.Literal.number(1), _haversine(first, second)))
        return exp.Paren(this=exp.Mul(this=exp.Literal.number(2), expression=call("asind", half)))
    shape = _to_shape(arguments[0]) if len(arguments) == 1 else None
    match name, shape:
        case "COORD1", Point():
            return shape.ra.copy()
        case "COORD2", Point():
            return shape.dec.copy()
        case "AREA", Circle():
            cap = exp.Sub(this=exp.Literal.number(1), expression=call("cosd", shape.radius_deg))
            factor = exp.Literal.number(360 * math.degrees(1))
            return exp.Paren(this=exp.Mul(this=factor, expression=exp.Paren(this=cap)))
        case _:
            raise AdqlError(f"{name}: {'a circle' if name == 'AREA' else 'a point'}, alone")


def _to_points(arguments: list[exp.Expr]) -> tuple[Point, Point]:
    """Return the arguments of DISTANCE: two points, or four coordinates (ADQL 2.1)."""
    if len(arguments) == 4:
        ra, dec, other_ra, other_dec = arguments
        return Point(ra, dec), Point(other_ra, other_dec)
    shapes = [_to_shape(each) for each in arguments]
    match shapes:
        case [Point() as first, Point() as second]:
            return first, second
        case _:
            raise AdqlError("DISTANCE: write two points")


def _to_shape(node: exp.Expr) -> Shape:
    if isinstance(node, exp.Column) and node.name == "s_region":
        return _to_region(node)
    name = str(node.this).upper() if isinstance(node, exp.Anonymous) else ""
    arguments = list(node.expressions)
    if arguments and isinstance(arguments[0], exp.Literal) and arguments[0].is_string:
        system = str(arguments.pop(0).this).upper().split()
        if system and system[0] not in _SYSTEMS:
            raise AdqlError(f"{name}: coordinate system {system[0]}; positions are ICRS")
    if arguments and str(arguments[0].this).upper() == "POINT" and name in {"CIRCLE", "BOX"}:
        point = _to_shape(arguments.pop(0))
        arguments = [point.ra, point.dec, *arguments]
    shapes: dict[tuple[str, int], type[Shape]] = {
        ("POINT", 2): Point, ("CIRCLE", 3): Circle, ("BOX", 4): Box,
    }  # fmt: skip
    shape = shapes.get((name, len(arguments)))
    if shape is None:
        raise AdqlError(
            f"{name or 'a value'} is no shape; write POINT(ra, dec), CIRCLE(ra, dec, radius) or "
            "BOX(ra, dec, width, height) in degrees"
        )
    return shape(*(_to_number(each) for each in arguments))


def _to_region(node: exp.Column) -> Circle:
    """Return the circle that s_region of ivoa.obscore writes as a text."""
    ra, dec, fov = (exp.column(name, node.args["table"]) for name in ("s_ra", "s_dec", "s_fov"))
    return Circle(
        ra, dec, exp.Paren(this=exp.Div(this=fov, expression=exp.Literal.number(2), typed=True))
    )


def _to_number(node: exp.Expr) -> exp.Expr:
    return exp.cast(node.copy(), "double precision")


def _haversine(first: Point | Circle, second: Point | Circle) -> exp.Expr:
    """Return sin^2 of half the distance (Sinnott 1984, Sky and Telescope 68, 159)."""
    d_ra = call("sind", _half(exp.Sub(this=first.ra.copy(), expression=second.ra.copy())))
    d_dec = call("sind", _half(exp.Sub(this=first.dec.copy(), expression=second.dec.copy())))
    two = exp.Literal.number(2)
    across = exp.Mul(
        this=exp.Mul(
            this=call("cosd", first.dec.copy()), expression=call("cosd", second.dec.copy())
        ),
        expression=call("power", d_ra, two),
    )
    return exp.Add(this=call("power", d_dec, two.copy()), expression=across)


def _within(first: Point | Circle, second: Point | Circle, radius_deg: exp.Expr) -> exp.Expr:
    """Return whether two centres are at most a radius apart; a band of declination goes first."""
    half = _half(call("least", exp.Literal.number(180), radius_deg.copy()))
    limit = exp.Add(
        this=call("power", call("sind", half), exp.Literal.number(2)),
        expression=exp.Literal.number(_ROUNDING),
    )
    band = exp.Between(
        this=first.dec.copy(),
        low=exp.Sub(this=second.dec.copy(), expression=_widened(radius_deg)),
        high=exp.Add(this=second.dec.copy(), expression=_widened(radius_deg)),
    )
    return exp.and_(
        exp.GTE(this=radius_deg.copy(), expression=exp.Literal.number(0)),
        band,
        exp.LTE(this=_haversine(first, second), expression=limit),
        copy=False,
    )


def _widened(radius_deg: exp.Expr) -> exp.Expr:
    return exp.Paren(this=exp.Add(this=radius_deg.copy(), expression=exp.Literal.number(1e-6)))


def _in_box(point: Point, box: Box) -> exp.Expr:
    """Return whether a point is in a box; its right ascension counts modulo 360."""
    apart = exp.Sub(this=point.ra.copy(), expression=box.ra.copy())
    ra_side = call("cosd", apart)
    ra_limit = call("cosd", call("least", exp.Literal.number(180), _half(box.width_deg.copy())))
    return exp.and_(
        exp.GTE(this=ra_side, expression=exp.Sub(this=ra_limit, expression=_tiny())),
        exp.Between(
            this=point.dec.copy(),
            low=exp.Sub(this=box.dec.copy(), expression=_half(box.height_deg)),
            high=exp.Add(this=box.dec.copy(), expression=_half(box.height_deg)),
        ),
        copy=False,
    )


def _tiny() -> exp.Expr:
    return exp.Literal.number(_ROUNDING)


def _half(node: exp.Expr) -> exp.Expr:
    return exp.Paren(
        this=exp.Div(
            this=exp.Paren(this=node.copy()), expression=exp.Literal.number("2.0"), typed=True
        )
    )


def _sum(first: exp.Expr, second: exp.Expr) -> exp.Expr:
    return exp.Paren(this=exp.Add(this=first.copy(), expression=second.copy()))

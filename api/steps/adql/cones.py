"""Cones on the running catalogue, looked up by the index of its boxes."""

from collections.abc import Iterator, Mapping, Sequence

import sqlglot
from sqlglot import exp

from api.models.base import Cone
from api.steps.catalogue import search_boxes

__all__ = ["to_index_condition"]

_MAX_BOXES = 100
# The first column of the index: it is used as if there were a search for each stream.
_STREAMS = "any(array(select stream_key.id from vo.stream_key))"
_N_COORDINATES, _N_CIRCLE = 2, 3


def to_index_condition(node: exp.Anonymous) -> exp.Expr | None:
    """Return what the index on boxes can answer of a predicate.

    It is true wherever the predicate is: the one narrows, the other decides.

    Parameters
    ----------
    node : exp.Anonymous
        CONTAINS or INTERSECTS.

    Returns
    -------
    exp.Expr or None
        None unless it compares the position of ``livetrap.source`` with a circle of numbers.
    """
    shapes = {str(each.this).upper(): each for each in node.expressions}
    alias = _position_of(shapes.get("POINT"))
    numbers = _numbers_of(shapes.get("CIRCLE"))
    if alias is None or numbers is None or not _is_catalogue(node, alias):
        return None
    ra, dec, radius_deg = numbers
    if not (abs(dec) <= 90 and 0 < radius_deg <= 180 and abs(ra) <= 360):
        return None
    boxes = search_boxes(Cone(ra % 360 % 360, dec, radius_deg))
    return _to_condition(alias, boxes)


def _to_condition(alias: str, boxes: Mapping[str, object]) -> exp.Expr | None:
    zones, lows, highs = boxes["zone"], boxes["ra_low"], boxes["ra_high"]
    if not isinstance(zones, list) or not isinstance(lows, list) or not isinstance(highs, list):
        return None
    if not 0 < len(zones) <= _MAX_BOXES:
        return None
    ranges = [
        exp.and_(
            exp.EQ(this=_column(alias, "zone"), expression=_number(zone)),
            _between(alias, "search_ra", low, high),
            copy=False,
        )
        for zone, low, high in zip(zones, lows, highs, strict=True)
    ]
    streams = exp.EQ(
        this=_column(alias, "stream_id"),
        expression=sqlglot.parse_one(_STREAMS, dialect="postgres"),
    )
    declinations = _between(alias, "search_dec", boxes["dec_low"], boxes["dec_high"])
    return exp.and_(streams, exp.or_(*ranges, copy=False), declinations, copy=False)


def _column(alias: str, name: str) -> exp.Column:
    return exp.column(name, exp.to_identifier(alias, quoted=True))


def _number(value: object) -> exp.Expr:
    return exp.convert(value)


def _between(alias: str, name: str, low: object, high: object) -> exp.Between:
    return exp.Between(this=_column(alias, name), low=_number(low), high=_number(high))


def _position_of(point: exp.Expr | None) -> str | None:
    """Return the table whose ra and dec a point is."""
    if point is None or len(point.expressions) < _N_COORDINATES:
        return None
    ra, dec = point.expressions[-_N_COORDINATES:]
    if not (isinstance(ra, exp.Column) and isinstance(dec, exp.Column)):
        return None
    is_position = (ra.name, dec.name) == ("ra", "dec") and ra.table == dec.table
    return ra.table if is_position else None


def _numbers_of(circle: exp.Expr | None) -> Sequence[float] | None:
    if circle is None or len(circle.expressions) < _N_CIRCLE:
        return None
    numbers = []
    for each in circle.expressions[-_N_CIRCLE:]:
        is_negative = isinstance(each, exp.Neg)
        literal = each.this if is_negative else each
        if not isinstance(literal, exp.Literal) or literal.is_string:
            return None
        numbers.append(float(literal.this) * (-1 if is_negative else 1))
    return numbers


def _is_catalogue(node: exp.Expr, alias: str) -> bool:
    """Return whether a name means ``livetrap.source`` where a predicate stands."""
    select = node.find_ancestor(exp.Select)
    while select is not None:
        for source in _sources(select):
            if source.alias_or_name == alias:
                return (
                    isinstance(source, exp.Table)
                    and source.db == "livetrap"
                    and (source.name == "source")
                )
        select = select.find_ancestor(exp.Select)
    return False


def _sources(select: exp.Select) -> Iterator[exp.Expr]:
    """Give what a select reads, but what is joined in parentheses."""
    if select.args.get("from_"):
        yield select.args["from_"].this
    for join in select.args.get("joins") or ():
        yield join.this

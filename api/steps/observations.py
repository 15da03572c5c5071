"""Queries of SIA 2.0: parameters to the parameters of query ``list_observations``."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import orjson

from api.models.tap import Catalogue, Translation
from api.steps.tap_answer import AnswerFormat, Question
from runtime.sql import load_statement
from sky.geometry import to_unit_vectors
from sky.plain_numbers import parse_number
from sky.regions import Circle, Polygon, Range, Region, parse_region

__all__ = ["parse_span", "to_question", "to_spans"]

_SPANS = frozenset({"BAND", "TIME", "FOV", "SPATRES", "SPECRP", "EXPTIME", "TIMERES", "CALIB"})
_TEXTS = frozenset(
    {"POL", "ID", "COLLECTION", "FACILITY", "INSTRUMENT", "DPTYPE", "TARGET", "FORMAT"}
)
_MAX_VALUES = 50
_MAX_CHARS = 500
_TABLE = ("ivoa", "obscore")


def to_question(
    given: Mapping[str, Sequence[str]],
    catalogue: Catalogue,
    *,
    answer_format: AnswerFormat,
    max_records: int,
) -> Question:
    """Return what parameters of SIA ask.

    Parameters
    ----------
    given : mapping
        Values of each parameter; those that SIA does not know are passed over.
    catalogue : Catalogue
        Describes the columns of the answer.
    answer_format : AnswerFormat
        Format of the answer.
    max_records : int
        Most rows.

    Raises
    ------
    ValueError
        If a value is wrong.

    References
    ----------
    Dowler, Bonnarel & Tody (2015), SIA 2.0, IVOA Recommendation, section 2.1.
    """
    columns = catalogue.tables[_TABLE].columns
    statement = load_statement("api", "list_observations")
    regions = _to_regions(_values(given, "POS"))
    values = {
        "spans": _dump(to_spans(given)),
        "texts": _dump(_to_texts(given)),
        "circles": None if regions is None else _dump(_of_kind(regions, Circle)),
        "ranges": None if regions is None else _dump(_of_kind(regions, Range)),
        "sides": None if regions is None else _dump(_to_sides(regions)),
        "limit": max_records + 1,
    }
    translation = Translation(statement.text, tuple(columns), tuple(columns.values()))
    asked = "; ".join(f"{name}={','.join(each)}"[:_MAX_CHARS] for name, each in given.items())
    return Question(
        asked, translation, answer_format, max_records, tuple(statement.to_arguments(values))
    )


def to_spans(given: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Return the intervals of the parameters that have such.

    Parameters
    ----------
    given : mapping
        As of `to_question`.

    Raises
    ------
    ValueError
        If one is none.
    """
    spans = []
    for name in sorted(_SPANS & given.keys()):
        for text in _values(given, name):
            low, high = parse_span(name, text)
            spans.append({"name": name, "low": _to_json(low), "high": _to_json(high)})
    return spans


def parse_span(name: str, text: str) -> tuple[float, float]:
    """Return an interval: two numbers, or one that is both; ``-Inf`` and ``+Inf`` are none.

    Parameters
    ----------
    name : str
        Parameter, for the words of the error.
    text : str
        Its value.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        numbers = [parse_number(word) for word in text.split()]
    except ValueError:
        numbers = []
    if len(numbers) not in {1, 2} or any(map(math.isnan, numbers)) or numbers[0] > numbers[-1]:
        raise ValueError(f"{name}: write a number, or the lower and the upper limit")
    return numbers[0], numbers[-1]


def _values(given: Mapping[str, Sequence[str]], name: str) -> list[str]:
    values = [value for value in given.get(name, ()) if value.strip()]
    if len(values) > _MAX_VALUES:
        raise ValueError(f"{name}: at most {_MAX_VALUES} values")
    if any("\0" in value for value in values):
        raise ValueError(f"{name}: a text has no zero characters")
    return values


def _to_texts(given: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    texts = []
    for name in sorted(_TEXTS & given.keys()):
        for value in _values(given, name):
            if len(value) > _MAX_CHARS:
                raise ValueError(f"{name}: at most {_MAX_CHARS} characters")
            plain = value.encode("utf-8", "replace").decode()
            texts.append({"name": name, "value": plain})
    return texts


def _to_regions(values: Sequence[str]) -> list[Region] | None:
    try:
        return [parse_region(value) for value in values] or None
    except ValueError as error:
        raise ValueError(f"POS: {error}") from None


def _of_kind(regions: Sequence[Region], kind: type[Circle | Range]) -> list[dict[str, float]]:
    return [asdict(region) for region in regions if isinstance(region, kind)]


def _to_sides(regions: Sequence[Region]) -> list[dict[str, Any]]:
    """Return the sides that are great circles, with the plane of each."""
    sides: list[dict[str, Any]] = []
    for number, region in enumerate(regions):
        if isinstance(region, Circle):
            continue
        for start, end in _ends(region):
            a, b = to_unit_vectors(*np.array([start, end]).T).T
            normal = np.cross(a, b)
            length = float(np.linalg.norm(normal))
            if length > 0:
                normal /= length
            side: dict[str, Any] = {"number": number, "is_closed": isinstance(region, Polygon)}
            for name, vector in (("a", a), ("b", b), ("n", normal)):
                side |= {f"{name}{axis}": float(vector[at]) for at, axis in enumerate("xyz")}
            sides.append(side)
    return sides


def _ends(region: Range | Polygon) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    if isinstance(region, Polygon):
        corners = region.vertices
        yield from zip(corners, (*corners[1:], corners[0]), strict=True)
        return
    middle = (region.dec_low + region.dec_high) / 2
    for ra in (region.ra_low, region.ra_high):
        yield (ra, region.dec_low), (ra, middle)
        yield (ra, middle), (ra, region.dec_high)


def _to_json(value: float) -> float | str:
    # JSON has no infinity, but PostgreSQL reads it from a text.
    return value if math.isfinite(value) else str(value)


def _dump(rows: Sequence[Mapping[str, Any]]) -> str:
    return orjson.dumps(rows).decode()

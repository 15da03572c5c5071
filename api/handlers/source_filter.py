"""Filters and order of a list of sources, on every statistic that a source has."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from inspect import Parameter, Signature
from typing import Annotated, Any, Literal

from fastapi import Depends, Query
from pydantic import AfterValidator, WithJsonSchema

from api.errors import ProblemError
from api.handlers.paging import decode_cursor, encode_cursor
from api.handlers.parameters import Time
from api.models.statistics import STATISTICS, Statistic

__all__ = ["OrderParameter", "SourceFilter", "SourceOrder"]

_NAMES = ("id", *(each.name for each in STATISTICS))
_TYPES: dict[str, tuple[Any, dict[str, Any]]] = {
    "float": (float, {"allow_inf_nan": False}),
    "int": (int, {"ge": 0, "le": 2**31 - 1}),
    "time": (Time, {}),
}


def _check_sort(name: str) -> str:
    if name not in _NAMES:
        raise ValueError(f"not a statistic of sources; write {', '.join(_NAMES)}")
    return name


_Sort = Annotated[
    str,
    AfterValidator(_check_sort),
    WithJsonSchema({"type": "string", "enum": list(_NAMES)}),
    Query(description="Statistic that orders the list"),
]


@dataclass(frozen=True, slots=True)
class SourceOrder:
    """The order of a list of sources.

    Parameters
    ----------
    sort : str
        ``id`` or a statistic.
    is_ascending : bool
        Smallest first.
    """

    sort: str
    is_ascending: bool

    def decode(self, cursor: str | None) -> tuple[float | None, int | None]:
        """Return the statistic and id of the last source of the previous page."""
        values = decode_cursor(cursor, str, int, float, int)
        if values is None:
            return None, None
        if values[:2] != (self.sort, int(self.is_ascending)):
            raise ProblemError(400, f"cursor: from a list in another order (sort={values[0]})")
        return float(values[2]), int(values[3])

    def encode(self, key: float, source_id: int) -> str:
        """Return the cursor of the page that follows a source."""
        return encode_cursor(self.sort, int(self.is_ascending), key, source_id)


async def _order(
    sort: _Sort = "id",
    order: Annotated[
        Literal["asc", "desc"] | None,
        Query(description="Default: id ascends, a statistic descends"),
    ] = None,
) -> SourceOrder:
    return SourceOrder(sort, order == "asc" if order else sort == "id")


async def _filter(**bounds: Any) -> dict[str, Any]:
    """Return the bounds that are given; the parameters are those of `_parameters`."""
    return {name: bound for name, bound in bounds.items() if bound is not None}


def _parameters() -> Iterator[Parameter]:
    for statistic in STATISTICS:
        for end, word in (("min", "Least"), ("max", "Greatest")):
            yield _optional(f"{end}_{statistic.name}", *_bound(statistic, word))
    yield _optional("is_new", bool, Query(description="Announced as new"))
    yield _optional("is_variable", bool, Query(description="Announced as variable"))
    yield _optional(
        "state",
        Literal["candidate", "confirmed", "dormant"],
        Query(description="State of now, as the list has it"),
    )
    yield _optional("tag", str, Query(max_length=40, description="A tag that it has"))


def _bound(statistic: Statistic, word: str) -> tuple[Any, Any]:
    kind, limits = _TYPES[statistic.kind]
    return kind, Query(description=f"{word}: {statistic.description}", **limits)


def _optional(name: str, kind: Any, query: Any) -> Parameter:
    annotation = Annotated[kind | None, query]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


# FastAPI reads the signature: two parameters for each statistic, written once.
_filter.__signature__ = Signature(list(_parameters()))  # type: ignore[attr-defined]

SourceFilter = Annotated[dict[str, float | int | datetime | bool | str], Depends(_filter)]
OrderParameter = Annotated[SourceOrder, Depends(_order)]

"""Least and greatest values of a list of transients."""

from collections.abc import Iterator
from inspect import Parameter, Signature
from typing import Annotated, Any

from fastapi import Depends, Query

__all__ = ["TransientBounds"]

_QUANTITIES: tuple[tuple[str, Any, str], ...] = (
    ("snr", float, "peak over local rms, at detection"),
    ("flux_peak_jy_beam", float, "peak flux at detection [Jy/beam]"),
    ("eta", float, "eta of its source, now"),
    ("v", float, "v of its source, now"),
    ("n_datapoints", int, "points of its source, now"),
)
# A parameter of every filter of transients and alerts.
_OTHERS = frozenset({"min_snr"})


async def _bounds(**given: Any) -> dict[str, float | int]:
    """Return the bounds that are given; the parameters are those of `_parameters`."""
    return {name: bound for name, bound in given.items() if bound is not None}


def _parameters() -> Iterator[Parameter]:
    for quantity, kind, words in _QUANTITIES:
        limits: dict[str, Any] = (
            {"allow_inf_nan": False} if kind is float else {"ge": 0, "le": 2**31 - 1}
        )
        for end, word in (("min", "Least"), ("max", "Greatest")):
            name = f"{end}_{quantity}"
            if name not in _OTHERS:
                yield _optional(name, kind, Query(description=f"{word} {words}", **limits))


def _optional(name: str, kind: Any, query: Any) -> Parameter:
    annotation = Annotated[kind | None, query]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


# FastAPI reads the signature: two parameters for each quantity, written once.
_bounds.__signature__ = Signature(list(_parameters()))  # type: ignore[attr-defined]

TransientBounds = Annotated[dict[str, float | int], Depends(_bounds)]

"""Least and greatest values of lists of transients and images."""

from collections.abc import Iterator, Sequence
from inspect import Parameter, Signature
from typing import Annotated, Any

from fastapi import Depends, Query

__all__ = ["ImageBounds", "TransientBounds"]

Quantities = Sequence[tuple[str, Any, str]]

_OF_TRANSIENTS: Quantities = (
    ("snr", float, "peak over local rms, at detection"),
    ("flux_peak_jy_beam", float, "peak flux at detection [Jy/beam]"),
    ("eta", float, "eta of its source, now"),
    ("v", float, "v of its source, now"),
    ("n_datapoints", int, "points of its source, now"),
)
_OF_IMAGES: Quantities = (
    ("rms_jy_beam", float, "noise [Jy/beam]; images without one are left out"),
    ("exposure_s", float, "exposure [s]"),
    ("freq_eff_hz", float, "frequency [Hz]"),
    ("freq_bw_hz", float, "bandwidth [Hz]"),
    ("beam_major_deg", float, "major axis of the beam [deg]"),
    ("field_radius_deg", float, "radius of the circle that holds the image [deg]"),
    ("n_sources", int, "sources that were measured"),
)
# A parameter of every filter of transients and alerts.
_OTHERS = frozenset({"min_snr"})


class _Bounds:
    """Reads bounds; FastAPI reads its signature: two parameters a quantity, written once."""

    def __init__(self, quantities: Quantities) -> None:
        self.__signature__ = Signature(list(_parameters(quantities)))

    async def __call__(self, **given: Any) -> dict[str, float | int]:
        """Return the bounds that are given."""
        return {name: bound for name, bound in given.items() if bound is not None}


def _parameters(quantities: Quantities) -> Iterator[Parameter]:
    for quantity, kind, words in quantities:
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


TransientBounds = Annotated[dict[str, float | int], Depends(_Bounds(_OF_TRANSIENTS))]
ImageBounds = Annotated[dict[str, float | int], Depends(_Bounds(_OF_IMAGES))]

"""Query and path parameters that several resources share."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BeforeValidator, WithJsonSchema

from api.errors import ProblemError
from api.models.base import Cone
from api.steps.alert_filter import AlertFilter
from api.steps.notations import parse_dec, parse_ra, parse_time

__all__ = [
    "ConeParameter",
    "Cursor",
    "ExtractionType",
    "Filter",
    "Key",
    "Limit",
    "ParameterCheck",
    "RequiredDec",
    "RequiredRa",
    "Since",
    "Stream",
    "Time",
    "Until",
    "to_key",
    "to_utc",
]

Limit = Annotated[int, Query(ge=1, le=500, description="Rows on a page")]
Cursor = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "minLength": 1, "pattern": "^[A-Za-z0-9_-]+=*$"}),
    Query(description="`next` of the previous page, as it is", examples=["WyJpZCIsIC0xNywgMTdd"]),
]
_TEXT: Mapping[str, Any] = {"type": "string"}
_ANGLE: Mapping[str, Any] = {"anyOf": [{"type": "number"}, {"type": "string"}]}
Time = Annotated[datetime, BeforeValidator(parse_time), WithJsonSchema(dict(_TEXT))]
_Ra = Annotated[float, BeforeValidator(parse_ra), WithJsonSchema(dict(_ANGLE))]
_Dec = Annotated[float, BeforeValidator(parse_dec), WithJsonSchema(dict(_ANGLE))]
RequiredRa = Annotated[
    _Ra, Query(description="ICRS: degrees, 8h13m36s or 8:13:36", examples=[123.4])
]
RequiredDec = Annotated[
    _Dec, Query(description="ICRS: degrees, 10d30m0s or 10:30:00", examples=[10.5])
]
_TIME_FORMS = "ISO 8601, UTC without a time zone; or mjd:61367.8"
ExtractionType = Annotated[
    Literal["blind", "forced", "monitor", "lookback"] | None,
    Query(
        description="Only those of a kind: found, forced at a known source or at a monitor, "
        "or forced in images from before the first detection"
    ),
]
Since = Annotated[
    Time | None,
    Query(description=f"First time: {_TIME_FORMS}", examples=["2026-11-23T20:00:00Z"]),
]
Until = Annotated[
    Time | None,
    Query(description=f"Time before which: {_TIME_FORMS}", examples=["2026-11-24T06:00:00Z"]),
]
Stream = Annotated[
    str | None, Query(description="Name of a stream of images", examples=["lofar-ncp"])
]
Key = Annotated[int, Path(ge=1, le=2**63 - 1, description="Number", examples=[17])]
_Kind = Annotated[
    Literal["new_source", "variable", "faded", "vanished", "returned", "moving"] | None,
    Query(description="What began the episode"),
]
_State = Annotated[
    Literal["active", "retracted"] | None,
    Query(description="Retracted ones, or those that are not"),
]
_MinSnr = Annotated[
    float | None,
    Query(allow_inf_nan=False, description="Least peak over local rms, at detection"),
]


async def _cone(
    ra: Annotated[
        _Ra | None,
        Query(description="Centre, ICRS: degrees, 8h13m36s or 8:13:36", examples=[123.4]),
    ] = None,
    dec: Annotated[
        _Dec | None,
        Query(description="Centre, ICRS: degrees, 10d30m0s or 10:30:00", examples=[10.5]),
    ] = None,
    radius_deg: Annotated[
        float | None,
        Query(gt=0, le=180, allow_inf_nan=False, description="Radius [deg]", examples=[0.5]),
    ] = None,
) -> Cone | None:
    given = [value for value in (ra, dec, radius_deg) if value is not None]
    if not given:
        return None
    if ra is None or dec is None or radius_deg is None:
        raise ProblemError(400, "a cone needs all of ra, dec and radius_deg, in degrees")
    return Cone(ra, dec, radius_deg)


ConeParameter = Annotated[Cone | None, Depends(_cone)]


async def _filter(
    cone: ConeParameter,
    since: Since = None,
    until: Until = None,
    stream: Stream = None,
    kind: _Kind = None,
    state: _State = None,
    min_snr: _MinSnr = None,
) -> AlertFilter:
    return AlertFilter(since, until, stream, kind, state=state, min_snr=min_snr, cone=cone)


Filter = Annotated[AlertFilter, Depends(_filter)]


class ParameterCheck:
    """Refuses a parameter that the route does not have, or that is given twice.

    A misspelt filter would filter nothing, and of two values one would be ignored. A route is
    described when it is first asked: the first client would wait for the description of all.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Mapping[str, Mapping[str, Any]] | None] = {}

    async def __call__(self, request: Request) -> None:
        """Check a request, as a dependency of routes.

        Raises
        ------
        ProblemError
            400 with the name of the parameter, and what the route takes.
        """
        route: APIRoute = request.scope["route"]
        known = self._parameters_of(route, request.method.lower())
        if known is None:
            return
        for name in request.query_params:
            if name not in known:
                offer = f"it takes {', '.join(known)}" if known else "it takes none"
                raise ProblemError(
                    400, f"{name}: {route.path_format} has no such parameter; {offer}"
                )
            if len(request.query_params.getlist(name)) > 1 and not _is_list(known[name]):
                raise ProblemError(400, f"{name}: given more than once; give it once")

    def _parameters_of(
        self, route: APIRoute, method: str
    ) -> Mapping[str, Mapping[str, Any]] | None:
        """Return the schema of each parameter; None for a method that is not described."""
        key = (route.path_format, method)
        if key not in self._known:
            self._known[key] = _describe_parameters(route, method)
        return self._known[key]


def _describe_parameters(route: APIRoute, method: str) -> Mapping[str, Mapping[str, Any]] | None:
    paths = get_openapi(title="", version="", routes=[route])["paths"]
    operation = paths.get(route.path_format, {}).get(method)
    if operation is None:
        return None
    return {
        each["name"]: each["schema"]
        for each in operation.get("parameters", [])
        if each["in"] == "query"
    }


def _is_list(schema: Mapping[str, Any]) -> bool:
    return any(each.get("type") == "array" for each in schema.get("anyOf", [schema]))


def to_utc(time: datetime | None) -> datetime | None:
    """Return an instant; one without a time zone is UTC."""
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time


def to_key(text: str) -> tuple[int | None, str | None]:
    """Return the number of a resource, or else its name."""
    return (int(text), None) if re.fullmatch(r"\d{1,18}", text) else (None, text)

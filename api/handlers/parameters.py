"""Query and path parameters that several resources share."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Depends, Path, Query, Request

from api.errors import ProblemError
from api.models.base import Cone
from api.steps.alert_filter import AlertFilter

__all__ = [
    "ConeParameter",
    "Cursor",
    "Filter",
    "Key",
    "Limit",
    "Since",
    "Stream",
    "Until",
    "refuse_unknown_parameters",
    "to_key",
    "to_utc",
]

Limit = Annotated[int, Query(ge=1, le=500, description="Rows on a page")]
Cursor = Annotated[str | None, Query(description="`next` of the previous page")]
Since = Annotated[
    datetime | None,
    Query(
        description="First time, ISO 8601; UTC without a time zone",
        examples=["2026-11-23T20:00:00Z"],
    ),
]
Until = Annotated[
    datetime | None,
    Query(
        description="Time before which, ISO 8601; UTC without a time zone",
        examples=["2026-11-24T06:00:00Z"],
    ),
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
        float | None, Query(ge=-360, le=360, description="Centre, ICRS [deg]", examples=[123.4])
    ] = None,
    dec: Annotated[
        float | None, Query(ge=-90, le=90, description="Centre, ICRS [deg]", examples=[10.5])
    ] = None,
    radius_deg: Annotated[
        float | None, Query(gt=0, le=180, description="Radius [deg]", examples=[0.5])
    ] = None,
) -> Cone | None:
    given = [value for value in (ra, dec, radius_deg) if value is not None]
    if not given:
        return None
    if ra is None or dec is None or radius_deg is None:
        raise ProblemError(400, "a cone needs all of ra, dec and radius_deg, in degrees")
    return Cone(ra % 360.0, dec, radius_deg)


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
    return AlertFilter(
        to_utc(since), to_utc(until), stream, kind, state=state, min_snr=min_snr, cone=cone
    )


Filter = Annotated[AlertFilter, Depends(_filter)]


async def refuse_unknown_parameters(request: Request) -> None:
    """Refuse a parameter that the route does not have: a misspelt filter would filter nothing."""
    route = getattr(request.scope.get("route"), "path_format", "")
    operation = request.app.openapi()["paths"].get(route, {}).get(request.method.lower())
    if operation is None:
        return
    known = [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"]
    for name in request.query_params:
        if name not in known:
            offer = f"it takes {', '.join(known)}" if known else "it takes none"
            raise ProblemError(400, f"{name}: {route} has no such parameter; {offer}")


def to_utc(time: datetime | None) -> datetime | None:
    """Return an instant; one without a time zone is UTC."""
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time


def to_key(text: str) -> tuple[int | None, str | None]:
    """Return the number of a resource, or else its name."""
    return (int(text), None) if re.fullmatch(r"\d{1,18}", text) else (None, text)

"""Parameters that several resources share, and who may write."""

import secrets
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Depends, Path, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.models import Cone
from api.problems import ProblemError
from api.storage import Database

__all__ = [
    "ConeParameter",
    "Cursor",
    "Kind",
    "Limit",
    "MinSnr",
    "Number",
    "Reader",
    "Since",
    "State",
    "Stream",
    "Until",
    "Writer",
    "refuse_unknown",
    "to_utc",
]


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


Reader = Annotated[Database, Depends(_database)]
_Bearer = Annotated[
    HTTPAuthorizationCredentials | None,
    Depends(HTTPBearer(auto_error=False, description="Value of LIVETRAP_API__WRITE_TOKEN")),
]


def _writable(request: Request, database: Reader, bearer: _Bearer) -> Database:
    token = request.app.state.write_token
    if token is None:
        raise ProblemError(403, "this service is read-only; set LIVETRAP_API__WRITE_TOKEN")
    if bearer is None:
        raise ProblemError(401, "writing needs the header `Authorization: Bearer <token>`")
    if not secrets.compare_digest(bearer.credentials.encode(), token.get_secret_value().encode()):
        raise ProblemError(401, "the token is wrong; it is the value of LIVETRAP_API__WRITE_TOKEN")
    return database


Writer = Annotated[Database, Depends(_writable)]
Limit = Annotated[int, Query(ge=1, le=500, description="Rows on a page")]
Cursor = Annotated[str | None, Query(description="`next` of the page before")]
Since = Annotated[
    datetime | None,
    Query(
        description="Not before, ISO 8601; UTC if it says no zone",
        examples=["2026-11-23T20:00:00Z"],
    ),
]
Until = Annotated[datetime | None, Query(description="Before, ISO 8601; UTC if it says no zone")]
Stream = Annotated[
    str | None, Query(description="Name of a stream of images", examples=["lofar-ncp"])
]
Kind = Annotated[
    Literal["new_source", "variable"] | None,
    Query(description="A source that appeared, or one that varies"),
]
State = Annotated[
    Literal["active", "retracted"] | None, Query(description="Retracted: taken back later")
]
MinSnr = Annotated[
    float | None,
    Query(allow_inf_nan=False, description="Least peak over local rms of the telling measurement"),
]
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


def _cone(
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


def refuse_unknown(request: Request) -> None:
    """Refuse a parameter that the route does not know: a misspelt filter would filter nothing."""
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
    """Return an instant; one without a zone is UTC."""
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time

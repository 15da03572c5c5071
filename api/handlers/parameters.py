"""Query parameters that several resources share."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query, Request

from api.models import Cone
from api.problems import ProblemError
from api.storage import Database

__all__ = ["ConeParameter", "Cursor", "Limit", "Reader", "Since", "Until", "to_utc"]


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


Reader = Annotated[Database, Depends(_database)]
Limit = Annotated[int, Query(ge=1, le=500, description="Rows on a page")]
Cursor = Annotated[str | None, Query(description="`next` of the page before")]
Since = Annotated[
    datetime | None, Query(description="Not before, ISO 8601; UTC if it says no zone")
]
Until = Annotated[datetime | None, Query(description="Before, ISO 8601; UTC if it says no zone")]


def _cone(
    ra: Annotated[float | None, Query(ge=-360, le=360, description="Centre, ICRS [deg]")] = None,
    dec: Annotated[float | None, Query(ge=-90, le=90, description="Centre, ICRS [deg]")] = None,
    radius_deg: Annotated[float | None, Query(gt=0, le=180, description="Radius [deg]")] = None,
) -> Cone | None:
    given = [value for value in (ra, dec, radius_deg) if value is not None]
    if not given:
        return None
    if ra is None or dec is None or radius_deg is None:
        raise ProblemError(400, "a cone needs all of ra, dec and radius_deg, in degrees")
    return Cone(ra % 360.0, dec, radius_deg)


ConeParameter = Annotated[Cone | None, Depends(_cone)]


def to_utc(time: datetime | None) -> datetime | None:
    """Return an instant; one without a zone is UTC."""
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time

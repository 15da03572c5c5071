"""`/transients`: what appeared or varies."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from fastapi import APIRouter

from api.cursor import decode_cursor, encode_cursor
from api.handlers.parameters import (
    ConeParameter,
    Cursor,
    Kind,
    Limit,
    MinSnr,
    Number,
    Reader,
    Since,
    State,
    Stream,
    Until,
    to_utc,
)
from api.models import BandStatistics, Page, TransientDetail, TransientItem
from api.problems import ProblemError, not_found

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/transients", tags=["transients"])


@router.get("")
async def list_transients(
    database: Reader,
    cone: ConeParameter,
    since: Since = None,
    until: Until = None,
    stream: Stream = None,
    kind: Kind = None,
    state: State = None,
    min_snr: MinSnr = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[TransientItem]:
    """Return transients, newest first."""
    after_time, after_id = _place(cursor)
    rows = await database.fetch(
        "list_transients",
        to_utc(since), to_utc(until), None,
        cone and cone.ra, cone and cone.dec, cone and cone.radius_deg,
        stream, kind, state, min_snr, after_time, after_id, limit,
    )  # fmt: skip
    items = [TransientItem(**_to_fields(row)) for row in rows]
    last = items[-1] if len(items) == limit else None
    return Page(items=items, next=last and encode_cursor(last.time_detected.isoformat(), last.id))


@router.get("/{transient_id}")
async def get_transient(database: Reader, transient_id: Number) -> TransientDetail:
    """Return one transient with its alerts and the summary of its light curve."""
    rows = await database.fetch("list_transients", None, None, transient_id, *[None] * 9, 1)
    if not rows:
        raise not_found("transient", transient_id)
    fields = _to_fields(rows[0])
    bands = await database.fetch("list_source_bands", [fields["source_id"]])
    return TransientDetail(**fields, bands=[BandStatistics(**band) for band in bands])


def _place(cursor: str | None) -> tuple[datetime | None, int | None]:
    values = decode_cursor(cursor, str, int)
    if values is None:
        return None, None
    try:
        return to_utc(datetime.fromisoformat(str(values[0]))), int(values[1])
    except ValueError:
        raise ProblemError(400, "cursor: not one that this list gave") from None


def _to_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "alerts": orjson.loads(row["alerts"])}

"""`/sources/{source_id}/lightcurve`: the measurements of a source."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.errors import ProblemError
from api.handlers.context import ApiContext, ClientAddress, Context
from api.handlers.paging import decode_cursor, decode_time, encode_next
from api.handlers.parameters import Cursor, ExtractionType, Key
from api.handlers.sources import get_source_row
from api.handlers.table_response import start_table
from api.models.lightcurves import LightCurve
from api.steps.export import encode_table
from api.steps.lightcurve_tables import (
    CsvTable,
    LightCurveTable,
    VoTable,
    read_last_point,
    to_page,
)

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/sources", tags=["sources"])

_MAX_POINTS = 10_000
_KEY = ("time_start", "freq_eff_hz", "stokes", "image_key", "source_number")
_KEY_PARAMETERS = (
    "after_time",
    "after_freq_eff_hz",
    "after_stokes",
    "after_image_key",
    "after_source_number",
)
_TEXT = {"schema": {"type": "string"}}


@router.get(
    "/{source_id}/lightcurve",
    summary="Light curve of a source",
    response_model=LightCurve,
    responses={
        200: {
            "content": {CsvTable.media_type: _TEXT, VoTable.media_type: _TEXT},
            "description": "A page of JSON, or the whole light curve as CSV or VOTable",
        }
    },
)
async def get_lightcurve(
    context: Context,
    client: ClientAddress,
    source_id: Key,
    band: Annotated[
        float | None,
        Query(gt=0, allow_inf_nan=False, description="Centre frequency, within 1 percent [Hz]"),
    ] = None,
    newest: Annotated[
        int | None, Query(ge=1, le=2**31 - 1, description="Only the newest so many points")
    ] = None,
    extraction_type: ExtractionType = None,
    format: Annotated[  # noqa: A002  (the name of the query parameter)
        Literal["json", "csv", "votable"],
        Query(description="JSON is paged; CSV and VOTable hold every point"),
    ] = "json",
    limit: Annotated[
        int | None,
        Query(ge=1, le=_MAX_POINTS, description="Points on a page of JSON; default 10 000"),
    ] = None,
    cursor: Cursor = None,
) -> Response:
    """Return the measurements of a source in time order.

    They include forced measurements, those shared with another source, and those of its
    ancestors before it was split off.
    """
    await get_source_row(context, source_id)
    conditions: dict[str, Any] = {
        "source_id": source_id,
        "freq_eff_hz": band,
        "newest": newest,
        "extraction_type": extraction_type,
    }
    if format == "json":
        conditions |= _to_key_parameters(cursor)
        return await _get_page(context, source_id, conditions, limit=limit or _MAX_POINTS)
    if limit is not None or cursor is not None:
        raise ProblemError(400, f"limit and cursor are for format=json; {format} is not paged")
    if format == "csv":
        table: LightCurveTable = CsvTable()
        rows = context.database.stream("list_lightcurve_csv", client=client, **conditions)
    else:
        table = await asyncio.to_thread(VoTable, source_id)
        rows = context.database.stream("list_lightcurve_points", client=client, **conditions)
    pieces = encode_table(table, rows)
    name = f"livetrap-source-{source_id}.{table.suffix}"
    return await start_table(pieces, media_type=table.media_type, file_name=name)


async def _get_page(
    context: ApiContext, source_id: int, conditions: Mapping[str, object], *, limit: int
) -> Response:
    """Return a page of points that PostgreSQL has written as JSON."""
    (page,) = await context.database.fetch("list_lightcurve_page", **conditions, limit=limit)
    key = [{**page, **read_last_point(page["points"])}] if page["n_points"] == limit else []
    body = to_page(source_id, page["points"], next_cursor=encode_next(key, 1, *_KEY))
    return Response(body, media_type="application/json")


def _to_key_parameters(cursor: str | None) -> dict[str, object]:
    values = decode_cursor(cursor, str, float, str, int, int)
    if values is None:
        return {}
    time, *others = values
    return dict(zip(_KEY_PARAMETERS, [decode_time(str(time)), *others], strict=True))

"""`/streams`, `/bands`, `/detections`, `/looks`, `/coverage`: what was observed and measured."""

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.handlers.context import ClientAddress, Context, refuse_unknown_stream
from api.handlers.exports import TABLE_RESPONSES, ExportParameter
from api.handlers.paging import decode_cursor, decode_id, decode_time, encode_next, to_page
from api.handlers.parameters import (
    ConeParameter,
    Cursor,
    ExtractionType,
    Limit,
    RequiredDec,
    RequiredRa,
    Since,
    Stream,
    Until,
)
from api.models.base import Page
from api.models.columns import DETECTIONS
from api.models.observations import BandItem, CoverageItem, DetectionItem, LookItem, StreamItem
from api.steps.looks import to_looks

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["observations"])

_KEY = ("time_start", "image_key", "source_number")
_MAX_CELLS = 50_000  # the whole sky in cells of a degree
_KEY_PARAMETERS = ("after_time", "after_image_key", "after_source_number")


@router.get("/streams", summary="Streams of images")
async def list_streams(
    context: Context, limit: Limit = 50, cursor: Cursor = None
) -> Page[StreamItem]:
    """Return the streams in the order in which they appeared."""
    rows = await context.database.fetch("list_streams", after_id=decode_id(cursor), limit=limit)
    return to_page([StreamItem(**row) for row in rows], rows, limit, "id")


@router.get("/bands", summary="Frequency bands of streams")
async def list_bands(
    context: Context, stream: Stream = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[BandItem]:
    """Return the bands in the order in which they appeared."""
    rows = await context.database.fetch(
        "list_bands", stream=stream, after_id=decode_id(cursor), limit=limit
    )
    await refuse_unknown_stream(context, rows, stream)
    return to_page([BandItem(**row) for row in rows], rows, limit, "id")


@router.get(
    "/detections",
    summary="Measurements of a stream, newest first",
    response_model=Page[DetectionItem],
    responses=TABLE_RESPONSES,
)
async def list_detections(
    context: Context,
    client: ClientAddress,
    export: ExportParameter,
    cone: ConeParameter,
    stream: Annotated[str, Query(description="Name of a stream", examples=["lofar-ncp"])],
    since: Since = None,
    until: Until = None,
    band: Annotated[
        float | None,
        Query(gt=0, allow_inf_nan=False, description="Centre frequency, within 1 percent [Hz]"),
    ] = None,
    extraction_type: ExtractionType = None,
    min_snr: Annotated[
        float | None, Query(allow_inf_nan=False, description="Least peak over local rms")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DetectionItem] | Response:
    """Return the measurements in the images of a stream that pass the filters.

    A cone without a time range reads all of them: give `since`, or ask for light curves.
    """
    wanted: dict[str, object] = {
        "stream": stream,
        "since": since,
        "until": until,
        "freq_eff_hz": band,
        "extraction_type": extraction_type,
        "min_snr": min_snr,
        "limit": limit,
    }
    if cone is not None:
        wanted |= {"ra": cone.ra, "dec": cone.dec, "radius_deg": cone.radius_deg}
    if export is not None:
        return await export.answer(
            "list_detections", DETECTIONS, name="detections", parameters=wanted
        )
    rows = await context.database.fetch_expensive(
        "list_detections", client=client, **wanted, **_to_key_parameters(cursor)
    )
    await refuse_unknown_stream(context, rows, stream)
    return to_page([DetectionItem(**row) for row in rows], rows, limit, *_KEY)


@router.get("/looks", summary="When a position was looked at, and how deep")
async def list_looks(
    context: Context,
    client: ClientAddress,
    ra: RequiredRa,
    dec: RequiredDec,
    stream: Stream = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[LookItem]:
    """Return the accepted images that cover a position, newest first, with the rms there.

    A page may have fewer looks than `limit`, even none: follow `next` until it is null.
    """
    after_time, after_image_key = _decode_look(cursor)
    rows = await context.database.fetch_expensive(
        "list_looks",
        client=client,
        ra=ra,
        dec=dec,
        stream=stream,
        since=since,
        until=until,
        after_time=after_time,
        after_image_key=after_image_key,
        limit=limit,
    )
    await refuse_unknown_stream(context, rows, stream)
    looks = await asyncio.to_thread(to_looks, rows, ra, dec)
    return Page(items=looks, next=encode_next(rows, limit, "time_start", "image_key"))


@router.get("/coverage", summary="Cells of the sky that were observed, and how deep")
async def list_coverage(
    context: Context,
    client: ClientAddress,
    stream: Stream = None,
    band: Annotated[
        float | None,
        Query(gt=0, allow_inf_nan=False, description="Centre frequency, within 1 percent [Hz]"),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=_MAX_CELLS, description="Cells of a page")] = 1000,
    cursor: Cursor = None,
) -> Page[CoverageItem]:
    """Return HEALPix cells in the order of their numbers, each with its least rms.

    Streams with fields of different sizes have cells of different orders, which may overlap.
    """
    rows = await context.database.fetch_expensive(
        "list_coverage",
        client=client,
        stream=stream,
        freq_eff_hz=band,
        after_cell=decode_id(cursor),
        limit=limit,
    )
    await refuse_unknown_stream(context, rows, stream)
    return to_page([CoverageItem(**row) for row in rows], rows, limit, "cell")


def _decode_look(cursor: str | None) -> tuple[datetime | None, int | None]:
    values = decode_cursor(cursor, str, int)
    if values is None:
        return None, None
    return decode_time(str(values[0])), int(values[1])


def _to_key_parameters(cursor: str | None) -> dict[str, object]:
    values = decode_cursor(cursor, str, int, int)
    if values is None:
        return {}
    time, *others = values
    return dict(zip(_KEY_PARAMETERS, [decode_time(str(time)), *others], strict=True))

"""`/monitors`: positions to measure in every image of a stream."""

import asyncio
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.errors import ProblemError, not_found
from api.handlers.authorization import WriterParameter, token_first_route
from api.handlers.context import Context, refuse_unknown_stream
from api.handlers.paging import decode_id, to_page
from api.handlers.parameters import Cursor, Key, Limit, Stream
from api.models.base import Page
from api.models.monitors import Monitor, MonitoredStream, MonitorsWritten, NewMonitor
from api.steps.monitor_lists import LIST_FORMATS, MonitorListError, read_monitor_list

__all__ = ["router"]

router = APIRouter(
    prefix="/api/v1/monitors", tags=["monitors"], route_class=token_first_route("operate")
)


@router.get("", summary="Monitored positions, newest first")
async def list_monitors(
    context: Context, stream: Stream = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[Monitor]:
    """Return the positions that are measured in every image of a stream."""
    rows = await context.database.fetch(
        "list_monitors", stream=stream, before_id=decode_id(cursor), limit=limit
    )
    await refuse_unknown_stream(context, rows, stream)
    return to_page([Monitor(**row) for row in rows], rows, limit, "id")


@router.get("/{monitor_id}", summary="One monitored position")
async def get_monitor(context: Context, monitor_id: Key) -> Monitor:
    """Return a monitored position and the source that has its light curve."""
    rows = await context.database.fetch("list_monitors", id=monitor_id, limit=1)
    if not rows:
        raise not_found("monitor", monitor_id)
    return Monitor(**rows[0])


@router.post("", status_code=201, summary="Monitor a position")
async def add_monitor(
    request: Request, writer: WriterParameter, wanted: NewMonitor, response: Response
) -> Monitor:
    """Measure a position in every image from now on; a position has at most one monitor."""
    max_monitors = writer.context.settings.max_monitors
    rows = await writer.write_in_turn(
        _turn_of(wanted.stream),
        "insert_monitor",
        stream=wanted.stream,
        name=wanted.name,
        ra=wanted.ra % 360.0 % 360.0,  # the first rounds tiny negative angles up to 360 itself
        dec=wanted.dec,
        pm_ra_cosdec_mas_yr=wanted.pm_ra_cosdec_mas_yr,
        pm_dec_mas_yr=wanted.pm_dec_mas_yr,
        epoch_yr=wanted.epoch_yr,
        max_monitors=max_monitors,
    )
    if not rows:
        raise _too_many(wanted.stream, max_monitors)
    response.headers["Location"] = f"{request.url.path}/{rows[0]['id']}"
    return Monitor(**rows[0])


_LIST = {"requestBody": {"required": True, "content": {each: {} for each in LIST_FORMATS}}}


@router.post(
    "/upload", status_code=201, summary="Monitor a list of positions", openapi_extra=_LIST
)
async def upload_monitors(
    request: Request, writer: WriterParameter, stream: Annotated[MonitoredStream, Query()]
) -> MonitorsWritten:
    """Measure the positions of a CSV or VOTable in every image from now on: all, or none.

    It has 64 KiB at most; send a longer one in parts, or with `livetrap monitors upload`.
    Columns are `ra` and `dec` [deg], `name`, `pm_ra_cosdec_mas_yr` and `pm_dec_mas_yr`
    [mas/yr], `epoch_yr` (2000); a VOTable (TABLEDATA) is understood by its UCDs too.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in LIST_FORMATS:
        raise ProblemError(415, f"send the list as one of {', '.join(LIST_FORMATS)}")
    data = await request.body()
    try:
        wanted = await asyncio.to_thread(read_monitor_list, data, media_type)
    except MonitorListError as error:
        raise ProblemError(422, str(error)) from error
    max_monitors = writer.context.settings.max_monitors
    rows = await writer.write_in_turn(
        _turn_of(stream),
        "insert_monitors",
        stream=stream,
        max_monitors=max_monitors,
        **asdict(wanted),
    )
    if not rows:
        raise _too_many(stream, max_monitors)
    return MonitorsWritten(stream=stream, **rows[0])


def _turn_of(stream: str) -> str:
    return f"monitors of {stream}"


def _too_many(stream: str, max_monitors: int) -> ProblemError:
    return ProblemError(
        409,
        f"stream {stream} may have {max_monitors} monitors; "
        "delete some, or raise LIVETRAP_API__MAX_MONITORS",
    )


@router.delete("/{monitor_id}", status_code=204, summary="Stop monitoring a position")
async def delete_monitor(writer: WriterParameter, monitor_id: Key) -> Response:
    """Measure a position no longer; its light curve stays under its `source_id`."""
    if not await writer.write("delete_monitor", id=monitor_id):
        raise not_found("monitor", monitor_id)
    return Response(status_code=204)

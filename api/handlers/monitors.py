"""`/monitors`: positions to measure in every image of a stream."""

from fastapi import APIRouter, Request, Response

from api.errors import ProblemError, not_found
from api.handlers.authorization import WriterParameter, token_first_route
from api.handlers.context import Context, refuse_unknown_stream
from api.handlers.paging import decode_id, to_page
from api.handlers.parameters import Cursor, Key, Limit, Stream
from api.models.base import Page
from api.models.monitors import Monitor, NewMonitor

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
    rows = await writer.write(
        "insert_monitor",
        stream=wanted.stream,
        name=wanted.name,
        ra=wanted.ra % 360.0 % 360.0,  # the first rounds tiny negative angles up to 360 itself
        dec=wanted.dec,
        max_monitors=max_monitors,
    )
    if not rows:
        raise ProblemError(
            409,
            f"stream {wanted.stream} has {max_monitors} monitors already; "
            "delete one, or raise LIVETRAP_API__MAX_MONITORS",
        )
    response.headers["Location"] = f"{request.url.path}/{rows[0]['id']}"
    return Monitor(**rows[0])


@router.delete("/{monitor_id}", status_code=204, summary="Stop monitoring a position")
async def delete_monitor(writer: WriterParameter, monitor_id: Key) -> Response:
    """Measure a position no longer; its light curve stays under its `source_id`."""
    if not await writer.write("delete_monitor", id=monitor_id):
        raise not_found("monitor", monitor_id)
    return Response(status_code=204)

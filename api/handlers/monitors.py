"""`/monitors`: places to measure in every image of a stream."""

from fastapi import APIRouter, Request, Response

from api.cursor import decode_cursor, encode_cursor
from api.handlers.parameters import Cursor, Limit, Number, Reader, Stream, Writer
from api.models import Monitor, NewMonitor, Page
from api.problems import ProblemError, not_found

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/monitors", tags=["monitors"])


@router.get("")
async def list_monitors(
    database: Reader, stream: Stream = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[Monitor]:
    """Return the watched places, newest first."""
    (before,) = decode_cursor(cursor, int) or (None,)
    rows = await database.fetch("list_monitors", None, stream, before, limit)
    last = rows[-1] if len(rows) == limit else None
    return Page(items=[Monitor(**row) for row in rows], next=last and encode_cursor(last["id"]))


@router.get("/{monitor_id}")
async def get_monitor(database: Reader, monitor_id: Number) -> Monitor:
    """Return one watched place."""
    rows = await database.fetch("list_monitors", monitor_id, None, None, 1)
    if not rows:
        raise not_found("monitor", monitor_id)
    return Monitor(**rows[0])


@router.post("", status_code=201)
async def add_monitor(
    request: Request, database: Writer, wanted: NewMonitor, response: Response
) -> Monitor:
    """Measure a place in every image from now on; the same place twice is the same monitor."""
    n_most = request.app.state.max_monitors
    ra = wanted.ra % 360.0 % 360.0  # the first rounds tiny negative angles up to 360 itself
    rows = await database.write(
        "insert_monitor", wanted.stream, wanted.name, ra, wanted.dec, n_most
    )
    if not rows:
        raise ProblemError(
            409,
            f"stream {wanted.stream} has {n_most} monitors already; "
            "delete one, or raise LIVETRAP_API__MAX_MONITORS",
        )
    response.headers["Location"] = f"{request.url.path}/{rows[0]['id']}"
    return Monitor(**rows[0])


@router.delete("/{monitor_id}", status_code=204)
async def delete_monitor(database: Writer, monitor_id: Number) -> Response:
    """Measure a place no longer; its light curve stays under its `source_id`."""
    if not await database.write("delete_monitor", monitor_id):
        raise not_found("monitor", monitor_id)
    return Response(status_code=204)

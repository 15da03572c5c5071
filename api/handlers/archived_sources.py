"""`/archived-sources`: what left the running catalogue, for no measurement confirmed it."""

from fastapi import APIRouter

from api.errors import not_found
from api.handlers.context import Context, refuse_unknown_stream
from api.handlers.paging import decode_id, to_page
from api.handlers.parameters import Cursor, Key, Limit, Stream
from api.models.base import Page
from api.models.sources import ArchivedSource

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/archived-sources", tags=["sources"])


@router.get("", summary="Sources that left the running catalogue")
async def list_archived_sources(
    context: Context, stream: Stream = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[ArchivedSource]:
    """Return sources that no measurement confirmed, the newest first."""
    rows = await context.database.fetch(
        "list_archived_sources", stream=stream, before_id=decode_id(cursor), limit=limit
    )
    await refuse_unknown_stream(context, rows, stream)
    return to_page([ArchivedSource(**row) for row in rows], rows, limit, "id")


@router.get("/{source_id}", summary="One source that left the running catalogue")
async def get_archived_source(context: Context, source_id: Key) -> ArchivedSource:
    """Return what is kept of a source; its detections have its id."""
    rows = await context.database.fetch("list_archived_sources", id=source_id, limit=1)
    if not rows:
        raise not_found("archived source", source_id)
    return ArchivedSource(**rows[0])

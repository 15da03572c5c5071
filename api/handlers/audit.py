"""`/audit`: writes over the API and by the commands that manage it."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query

from api.handlers.authorization import WriterParameter, token_first_route
from api.handlers.paging import decode_id, to_page
from api.handlers.parameters import Cursor, Limit, Since, Until
from api.models.audit import AuditItem
from api.models.base import Page

__all__ = ["router"]

router = APIRouter(
    prefix="/api/v1/audit",
    tags=["audit"],
    route_class=token_first_route("operate", reading=True),
)
_Actor = Annotated[str | None, Query(max_length=200, description="Name of a token")]
_Object = Annotated[str | None, Query(max_length=200, description="Table, or kind of object")]
_ObjectId = Annotated[str | None, Query(max_length=200, description="Key of the row or object")]


@router.get("", summary="Writes, newest first")
async def list_audit(
    writer: WriterParameter,
    actor: _Actor = None,
    object: _Object = None,  # noqa: A002  (the name of the query parameter)
    object_id: _ObjectId = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AuditItem]:
    """Return who wrote what, when, and what was there before."""
    rows = await writer.context.database.fetch(
        "list_audit",
        actor=actor,
        object=object,
        object_id=object_id,
        since=since,
        until=until,
        before_id=decode_id(cursor),
        limit=limit,
    )
    return to_page([AuditItem(**_to_fields(row)) for row in rows], rows, limit, "id")


def _to_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    changes = {name: row[name] and orjson.loads(row[name]) for name in ("row_before", "row_after")}
    return {**row, **changes}

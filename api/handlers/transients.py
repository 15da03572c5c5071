"""`/transients`: new and variable sources."""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import APIRouter
from fastapi.responses import Response

from api.errors import not_found
from api.handlers.bounds import TransientBounds
from api.handlers.context import ClientAddress, Context, refuse_unknown_stream
from api.handlers.exports import TABLE_RESPONSES, ExportParameter
from api.handlers.list_order import TransientOrder
from api.handlers.parameters import Cursor, Filter, Key, Limit
from api.models.base import Page
from api.models.columns import TRANSIENTS
from api.models.sources import BandStatistics
from api.models.transients import TransientDetail, TransientItem

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/transients", tags=["transients"])


@router.get(
    "",
    summary="Transients, newest first",
    response_model=Page[TransientItem],
    responses=TABLE_RESPONSES,
)
async def list_transients(
    context: Context,
    export: ExportParameter,
    wanted: Filter,
    bounds: TransientBounds,
    client: ClientAddress,
    order: TransientOrder,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[TransientItem] | Response:
    """Return the transients that pass the filters; `since` and `until` are detection times."""
    parameters = wanted.to_parameters() | bounds | {"limit": limit}
    if not order.is_default:
        parameters |= order.parameters
    query = "list_transients" if order.is_default else "list_transients_ordered"
    if export is not None:
        return await export.answer(query, TRANSIENTS, name="transients", parameters=parameters)
    parameters |= order.decode(cursor)
    rows = (
        await context.database.fetch(query, **parameters)
        if order.is_default
        else await context.database.fetch_expensive(query, client=client, **parameters)
    )
    await refuse_unknown_stream(context, rows, wanted.stream)
    items = [TransientItem(**_to_fields(row)) for row in rows]
    return Page(items=items, next=order.encode_next(rows, limit))


@router.get("/{transient_id}", summary="One transient")
async def get_transient(context: Context, transient_id: Key) -> TransientDetail:
    """Return one transient with its alerts and the statistics of its light curve."""
    rows = await context.database.fetch("list_transients", id=transient_id, limit=1)
    if not rows:
        raise not_found("transient", transient_id)
    fields = _to_fields(rows[0])
    bands = await context.database.fetch("list_source_bands", source_id=[fields["source_id"]])
    return TransientDetail(**fields, bands=[BandStatistics(**band) for band in bands])


def _to_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "alerts": orjson.loads(row["alerts"])}

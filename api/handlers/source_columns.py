"""`/sources/columns`: the whole running catalogue for a plot."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.handlers.context import ClientAddress, Context, refuse_unknown_stream
from api.handlers.parameters import Stream
from api.steps.source_columns import encode_columns

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/sources", tags=["sources"])

_TYPE = "application/octet-stream"
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A line of JSON with `n`, `as_of` and `columns`, each a name and a type as "
        "NumPy has it, filled up to 8 bytes; then the arrays, little-endian, in that order",
        "content": {
            _TYPE: {
                "schema": {"type": "string", "format": "binary"},
                "example": '{"n": 0, "as_of": null, "columns": [["id", "float64"]]}\n',
            }
        },
    }
}


@router.get(
    "/columns",
    summary="All sources as arrays",
    response_class=Response,
    responses=_RESPONSES,
)
async def get_source_columns(
    request: Request,
    context: Context,
    client: ClientAddress,
    stream: Stream = None,
    min_n_datapoints: Annotated[
        int | None, Query(ge=0, le=2**31 - 1, description="Least number of points")
    ] = None,
    min_snr_max: Annotated[
        float | None, Query(allow_inf_nan=False, description="Least largest S/N")
    ] = None,
    tag: Annotated[str | None, Query(max_length=40, description="A tag that they have")] = None,
) -> Response:
    """Return id, position [deg], eta, V, points and flags (1: new, 2: variable) of every source.

    They are those of a copy of some seconds ago, `as_of`; eta and V are NaN where undefined.
    """
    copied = await context.database.fetch("get_statistics_refresh")
    rows = await context.database.fetch_expensive(
        "get_source_columns",
        client=client,
        stream=stream,
        min_n_datapoints=min_n_datapoints,
        min_snr_max=min_snr_max,
        tag=tag,
    )
    await refuse_unknown_stream(context, rows if rows[0]["n"] else [], stream)
    row = {**rows[0], "as_of": copied[0]["time_refreshed"] if copied else None}
    is_compressed = "gzip" in request.headers.get("accept-encoding", "")
    body = await asyncio.to_thread(encode_columns, row, compress=is_compressed)
    # Compressed here and not by the middleware, which does it in the event loop.
    headers = {"Content-Encoding": "gzip"} if is_compressed else {}
    return Response(body, media_type=_TYPE, headers={**headers, "Vary": "Accept-Encoding"})

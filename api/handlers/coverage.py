"""`/vo/coverage.moc`: which part of the sky was observed (MOC 2.0)."""

import asyncio
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.errors import ProblemError
from api.handlers.context import ClientAddress, Context, refuse_unknown_stream
from api.handlers.parameters import Stream
from sky.moc import cells_of_orders, write_moc_fits, write_moc_json, write_moc_text

__all__ = ["router"]

router = APIRouter(prefix="/vo", tags=["virtual observatory"])

_MAX_CELLS = 1_000_000
_MAX_INT = 2**31 - 1
_Form = Literal["fits", "json", "ascii"]
_MEDIA_TYPES: dict[_Form, str] = {
    "fits": "application/fits",
    "json": "application/json",
    "ascii": "text/plain",
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Map of HEALPix cells, nested, ICRS",
        "content": {
            "application/fits": {
                "schema": {"type": "string", "format": "binary"},
                "example": "SIMPLE  =                    T",
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "additionalProperties": {"type": "array", "items": {"type": "integer"}},
                },
                "example": {"6": [24577, 24580]},
            },
            "text/plain": {"schema": {"type": "string"}, "example": "6/24577,24580-24583"},
        },
    }
}


@router.get(
    "/coverage.moc",
    summary="Coverage of the sky",
    response_class=Response,
    responses=_RESPONSES,
)
async def get_coverage(
    context: Context,
    client: ClientAddress,
    stream: Stream = None,
    band: Annotated[
        int | None, Query(ge=1, le=_MAX_INT, description="Number of a band, as of /bands")
    ] = None,
    stokes: Annotated[
        str | None, Query(max_length=8, description="Stokes parameter", examples=["I"])
    ] = None,
    format: Annotated[  # noqa: A002  (the name of the query parameter)
        _Form, Query(description="fits; json; ascii, which subscriptions take as `moc`")
    ] = "fits",
) -> Response:
    """Return what accepted images cover, of a stream, a band and a Stokes parameter or of all."""
    rows = await context.database.fetch_expensive(
        "list_coverage_cells",
        client=client,
        stream=stream,
        band_id=band,
        stokes=stokes,
        limit=_MAX_CELLS + 1,
    )
    await refuse_unknown_stream(context, rows, stream)
    if len(rows) > _MAX_CELLS:
        raise ProblemError(400, f"more than {_MAX_CELLS} cells; write a stream or a band")
    cells = np.fromiter((row["cell"] for row in rows), np.int64, len(rows))
    body = await asyncio.to_thread(_write, cells, format)
    suffix = {"ascii": "txt"}.get(format, format)
    name = f'inline; filename="livetrap-coverage.{suffix}"'
    return Response(body, media_type=_MEDIA_TYPES[format], headers={"Content-Disposition": name})


def _write(cells: npt.NDArray[np.int64], form: _Form) -> bytes:
    found = cells_of_orders(cells)
    if form == "fits":
        return write_moc_fits(found)
    return (write_moc_json(found) if form == "json" else write_moc_text(found)).encode()

"""`/vo/coverage.moc`, `/vo/coverage.stmoc`: what was observed, and when (MOC 2.0)."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.errors import ProblemError
from api.handlers.context import ClientAddress, Context, refuse_unknown_stream
from api.handlers.parameters import Since, Stream, Until
from sky.coverage import cells_of_field
from sky.moc import cells_of_orders, write_moc_fits, write_moc_json, write_moc_text
from sky.space_time_moc import Form, Observed, to_elements, write_space_time

__all__ = ["router"]

router = APIRouter(prefix="/vo", tags=["virtual observatory"])

_MAX_CELLS = 1_000_000
_MAX_IMAGES = 100_000
_MAX_INT = 2**31 - 1
_MEDIA_TYPES: dict[Form, str] = {
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
_TIMED_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Map of time and HEALPix cells, nested, ICRS; times are TCB",
        "content": {
            "application/fits": _RESPONSES[200]["content"]["application/fits"],
            "application/json": {
                "schema": {"type": "array", "items": {"type": "object"}},
                "example": [{"t": {"45": [3244968019142]}, "s": {"6": [24577, 24580]}}],
            },
            "text/plain": {
                "schema": {"type": "string"},
                "example": "t45/3244968019142 s6/24577 24580-24583",
            },
        },
    }
}
_Band = Annotated[
    int | None, Query(ge=1, le=_MAX_INT, description="Number of a band, as of /bands")
]
_Stokes = Annotated[
    str | None, Query(max_length=8, description="Stokes parameter", examples=["I"])
]


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
    band: _Band = None,
    stokes: _Stokes = None,
    format: Annotated[  # noqa: A002  (the name of the query parameter)
        Form, Query(description="fits; json; ascii, which subscriptions take as `moc`")
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
    return _answer(body, format, "coverage")


@router.get(
    "/coverage.stmoc",
    summary="Coverage of the sky in time",
    response_class=Response,
    responses=_TIMED_RESPONSES,
)
async def get_timed_coverage(
    context: Context,
    client: ClientAddress,
    stream: Stream = None,
    band: _Band = None,
    stokes: _Stokes = None,
    since: Since = None,
    until: Until = None,
    format: Annotated[  # noqa: A002  (the name of the query parameter)
        Form, Query(description="fits, json or ascii")
    ] = "fits",
) -> Response:
    """Return what accepted images cover and when, of 100 000 images at most."""
    rows = await context.database.fetch_expensive(
        "list_covered_times",
        client=client,
        stream=stream,
        band_id=band,
        stokes=stokes,
        since=since,
        until=until,
        limit=_MAX_IMAGES + 1,
    )
    await refuse_unknown_stream(context, rows, stream)
    if sum(len(row["starts"]) for row in rows) > _MAX_IMAGES:
        raise ProblemError(400, f"more than {_MAX_IMAGES} images; write since, until or a band")
    body = await asyncio.to_thread(_write_timed, rows, format)
    return _answer(body, format, "coverage-in-time")


def _answer(body: bytes, form: Form, name: str) -> Response:
    suffix = {"ascii": "txt"}.get(form, form)
    headers = {"Content-Disposition": f'inline; filename="livetrap-{name}.{suffix}"'}
    return Response(body, media_type=_MEDIA_TYPES[form], headers=headers)


def _write_timed(rows: Sequence[Mapping[str, Any]], form: Form) -> bytes:
    return write_space_time(to_elements([_to_observed(row) for row in rows]), form)


def _to_observed(row: Mapping[str, Any]) -> Observed:
    cells, _, _ = cells_of_field(
        row["wcs_header"],
        (row["height_px"], row["width_px"]),
        row["field_radius_deg"],
        row["margin_px"],
    )
    return Observed(cells, row["starts"], np.array(row["lengths_s"], float))


def _write(cells: npt.NDArray[np.int64], form: Form) -> bytes:
    found = cells_of_orders(cells)
    if form == "fits":
        return write_moc_fits(found)
    return (write_moc_json(found) if form == "json" else write_moc_text(found)).encode()

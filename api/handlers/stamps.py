"""`/sources/{id}/stamps`, `/stamps/{id}`: pixels around a source that an event announced."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from api.errors import ProblemError, not_found
from api.handlers.caching import answer_immutable
from api.handlers.context import ClientAddress, Context
from api.handlers.parameters import Key
from api.handlers.pixel_files import MEDIA_TYPES, PIXEL_FILES
from api.handlers.sources import get_source_row
from api.models.base import Page
from api.models.stamps import StampItem
from api.steps.cutout import to_fits
from api.steps.stamps import parts_of, to_items
from sky.cutout import Cutout
from sky.header.errors import HeaderError
from sky.png import to_png
from sky.stamps import read_stamp, subtract, turn_north_up

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["stamps"])
# Three for each of the newest episodes.
_MOST_STAMPS = 300


@router.get("/sources/{source_id}/stamps", summary="Stamps of a source")
async def list_stamps(context: Context, source_id: Key) -> Page[StampItem]:
    """Return the stamps of a source, newest episode first, and why others are missing.

    It has one page, of the newest 100 episodes.
    """
    await get_source_row(context, source_id)
    rows = await context.database.fetch("list_stamps", source_id=source_id, limit=_MOST_STAMPS)
    return Page(items=[StampItem(**item) for item in to_items(rows)], next=None)


@router.get(
    "/stamps/{stamp_id}",
    summary="Pixels of a stamp",
    response_class=Response,
    responses=PIXEL_FILES,
)
async def get_stamp(
    request: Request,
    context: Context,
    client: ClientAddress,
    stamp_id: Annotated[
        str,
        Path(
            pattern=r"^[a-z0-9]{1,64}-(now|before|difference|deepest)$",
            description="TrigID and role",
            examples=["7xq3m2kd5wz4hvta-now"],
        ),
    ],
    format: Annotated[  # noqa: A002  (the name of the query parameter)
        Literal["png", "fits"],
        Query(
            description="png: north up, east left, the same grey from -3 rms to the peak of the "
            "detection for all stamps of a transient; fits: as stored, tile-compressed"
        ),
    ] = "png",
) -> Response:
    """Return a stamp; 404 says why there is none."""
    rows = await context.database.fetch("get_stamps", stamp_id=list(parts_of(stamp_id)))
    by_id = {row["stamp_id"]: row for row in rows}
    parts = [_check(by_id.get(name), name) for name in parts_of(stamp_id)]
    if format == "fits" and len(parts) == 1:
        body = parts[0]["data"]
    else:
        async with context.pixel_budget.turn(client):
            body = await asyncio.to_thread(_encode, parts, stamp_id, format)
    answer = answer_immutable(request, body, MEDIA_TYPES[format])
    answer.headers["Content-Disposition"] = f'inline; filename="{stamp_id}.{format}"'
    return answer


def _check(row: Mapping[str, Any] | None, stamp_id: str) -> Mapping[str, Any]:
    """Return the row of a stamp that is stored.

    Raises
    ------
    ProblemError
        404 with the reason.
    """
    if row is None:
        raise not_found("stamp", stamp_id)
    if row["data"] is not None:
        return row
    if row["state"] == "waiting":
        why = f"it was asked for at {row['time_requested']:%FT%TZ} and is not cut yet"
    else:
        why = f"{row['reason']}, since {row['time_answered']:%FT%TZ}"
    raise ProblemError(404, f"there are no pixels of stamp {stamp_id}: {why}")


def _encode(parts: Sequence[Mapping[str, Any]], stamp_id: str, form: str) -> bytes:
    stamp = _read(parts)
    first = parts[0]
    if form == "fits":
        return to_fits(
            stamp, {"STAMPID": stamp_id, "RA_SRC": first["ra"], "DEC_SRC": first["dec"]}
        )
    upright = turn_north_up(stamp, first["ra"], first["dec"])
    return to_png(upright, first["rms_jy_beam"], peak_jy_beam=first["flux_peak_jy_beam"])


def _read(parts: Sequence[Mapping[str, Any]]) -> Cutout:
    try:
        now, *before = (read_stamp(part["data"]) for part in parts)
    except HeaderError as error:
        name = parts[0]["stamp_id"]
        raise ProblemError(404, f"the pixels of stamp {name} cannot be read: {error}") from error
    return subtract(now, before[0]) if before else now

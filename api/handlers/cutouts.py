"""`/images/{image}/cutout`: the pixels around a position, of Kafka, the archive or a stamp."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from api.errors import ProblemError, not_found
from api.handlers.caching import answer_immutable
from api.handlers.context import ApiContext, ClientAddress, Context
from api.handlers.parameters import RequiredDec, RequiredRa, to_key
from api.handlers.pixel_files import MEDIA_TYPES, PIXEL_FILES
from api.steps.cutout import image_cards, to_fits
from api.steps.stamps import CutoutSize, cut_first
from runtime.errors import TransientError
from sky.cutout import Cutout, cut
from sky.png import to_png

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/images", tags=["images"])
# The image is gone from Kafka and the archive, or these do not answer.
_NO_PIXELS = (404, 503)
_NEAREST_STAMPS = 3


@router.get(
    "/{image}/cutout",
    summary="Pixels around a position",
    response_class=Response,
    responses=PIXEL_FILES,
)
async def get_cutout(
    request: Request,
    context: Context,
    client: ClientAddress,
    image: Annotated[str, Path(description="Number or sha256", examples=["60"])],
    ra: RequiredRa,
    dec: RequiredDec,
    size_arcmin: Annotated[
        float | None,
        Query(
            gt=0,
            le=10_800,
            allow_inf_nan=False,
            description="Side [arcmin]; default: 65 px, or 10 beams where these are more",
        ),
    ] = None,
    format: Annotated[  # noqa: A002  (the name of the query parameter)
        Literal["png", "fits"], Query(description="png: -3 to 10 rms, or to the peak")
    ] = "png",
) -> Response:
    """Return the pixels around a position, at most 1025 a side; 404 says why they are gone."""
    number, digest = to_key(image)
    rows = await context.database.fetch("get_image_place", id=number, image_id=digest)
    if not rows:
        raise not_found("image", image)
    if rows[0]["verdict"] != "accepted" or rows[0]["wcs_header"] is None:
        raise ProblemError(404, f"image {image} was rejected; its pixels are not shown")
    size = CutoutSize(size_arcmin, rows[0]["beam_major_deg"])
    async with context.pixel_budget.turn(client):
        try:
            cutout = await asyncio.to_thread(_cut, context, rows[0], ra, dec, size)
        except ProblemError as gone:
            if gone.status not in _NO_PIXELS:
                raise
            cutout = await _cut_stamp(context, rows[0]["id"], ra, dec, size, gone)
    encoded = await asyncio.to_thread(_encode, cutout, rows[0], format)
    return answer_immutable(request, encoded, MEDIA_TYPES[format])


def _cut(
    context: ApiContext, row: Mapping[str, Any], ra: float, dec: float, size: CutoutSize
) -> Cutout:
    try:
        image = context.pixels.read(row)
        return cut(
            image.pixels,
            image.wcs_header,
            ra,
            dec,
            size_arcmin=size.arcmin,
            beam_major_deg=size.beam_major_deg,
        )
    except TransientError as error:
        raise ProblemError(503, str(error)) from error
    except ValueError as error:
        raise ProblemError(400, f"image {row['id']}: {error}") from error


async def _cut_stamp(
    context: ApiContext,
    image_key: int,
    ra: float,
    dec: float,
    size: CutoutSize,
    gone: ProblemError,
) -> Cutout:
    """Return the pixels around a position from a stored stamp of an image that is gone.

    Raises
    ------
    ProblemError
        `gone`, if no stamp shows the place.
    """
    rows = await context.database.fetch(
        "list_image_stamps", image_key=image_key, ra=ra, dec=dec, limit=_NEAREST_STAMPS
    )
    files = [row["data"] for row in rows]
    found = await asyncio.to_thread(cut_first, files, ra, dec, size)
    if found is None:
        raise ProblemError(gone.status, f"{gone.detail}; no stored stamp shows the place")
    return found


def _encode(cutout: Cutout, row: Mapping[str, Any], form: str) -> bytes:
    if form == "png":
        return to_png(cutout, row["rms_jy_beam"])
    return to_fits(cutout, image_cards(row))

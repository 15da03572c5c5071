"""`/images/{image}/rms`, `/images/{image}/sources`: what was found in one image."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import PlainTextResponse, Response

from api.errors import ProblemError, not_found
from api.handlers.caching import NOT_MODIFIED, answer_immutable
from api.handlers.context import ApiContext, Context
from api.handlers.parameters import to_key
from api.models.base import Page
from api.models.observations import ImageDetectionItem, RmsGrid

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/images", tags=["images"])

# Far above max_sources of section `extract`, and forced measurements.
_MAX_DETECTIONS = 100_000
_Image = Annotated[str, Path(description="Number or sha256", examples=["60"])]
_DS9_TYPE = "text/plain"


@router.get(
    "/{image}/rms",
    summary="Local rms of an image",
    response_model=RmsGrid,
    responses=NOT_MODIFIED,
)
async def get_rms_grid(request: Request, context: Context, image: _Image) -> Response:
    """Return the grid of the local rms of an accepted image: how deep it is, and where."""
    row = await _get_grid_row(context, image)
    if row["rms_jy_beam"] is None or not row["n_columns"]:
        reasons = "it was rejected, or its record had none"
        raise ProblemError(404, f"image {image} has no rms grid: {reasons}")
    n_columns = row["n_columns"]
    cells = [value if math.isfinite(value) else None for value in row["rms_jy_beam"]]
    lines = [cells[start : start + n_columns] for start in range(0, len(cells), n_columns)]
    fields = {name: row[name] for name in RmsGrid.model_fields}
    body = RmsGrid(**(fields | {"rms_jy_beam": lines})).model_dump_json().encode()
    return answer_immutable(request, body, "application/json")


@router.get(
    "/{image}/sources",
    summary="Measurements in an image",
    response_model=Page[ImageDetectionItem],
    responses={
        200: {
            "description": "JSON, or regions for DS9 and CARTA",
            "content": {_DS9_TYPE: {"schema": {"type": "string"}, "example": "icrs\n"}},
        }
    },
)
async def list_image_sources(
    context: Context,
    image: _Image,
    format: Annotated[  # noqa: A002  (the name of the query parameter)
        Literal["json", "ds9"], Query(description="ds9: regions, one ellipse a measurement")
    ] = "json",
) -> Page[ImageDetectionItem] | Response:
    """Return every measurement in an image, in order of their numbers; it has one page."""
    row = await _get_grid_row(context, image)
    rows = await context.database.fetch(
        "list_image_detections", id=row["id"], limit=_MAX_DETECTIONS
    )
    if format == "ds9":
        return PlainTextResponse("".join(_to_regions(rows)), media_type=_DS9_TYPE)
    return Page(items=[ImageDetectionItem(**each) for each in rows], next=None)


async def _get_grid_row(context: ApiContext, image: str) -> Mapping[str, Any]:
    number, digest = to_key(image)
    rows = await context.database.fetch("get_rms_grid", id=number, image_id=digest)
    if not rows:
        raise not_found("image", image)
    return rows[0]


def _to_regions(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Give the lines of a DS9 region file: half axes, and the angle from north through east."""
    yield "# Region file format: DS9 version 4.1\nglobal color=green\nicrs\n"
    for row in rows:
        major, minor = row["major_arcsec"] / 2, row["minor_arcsec"] / 2
        if not all(map(math.isfinite, (row["ra"], row["dec"], major, minor, row["pa_deg"]))):
            continue
        # DS9 counts from the west axis: an ellipse along north has 90 degrees.
        yield (
            f'ellipse({row["ra"]:.7f},{row["dec"]:.7f},{major:.3f}",{minor:.3f}",'
            f"{row['pa_deg'] + 90:.2f}) # text={{{row['source_id']}}} "
            f"tag={{{row['extraction_type']}}}\n"
        )

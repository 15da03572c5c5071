"""`/images`: images and their verdicts."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from api.errors import not_found
from api.handlers.bounds import ImageBounds
from api.handlers.caching import NOT_MODIFIED, answer_immutable
from api.handlers.context import ClientAddress, Context, refuse_unknown_stream
from api.handlers.exports import TABLE_RESPONSES, ExportParameter
from api.handlers.list_order import ImageOrder
from api.handlers.parameters import Cursor, Limit, Since, Stream, Until, to_key
from api.models.base import Page
from api.models.columns import IMAGES
from api.models.images import ImageItem

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/images", tags=["images"])


@router.get(
    "",
    summary="Images, the last associated first",
    response_model=Page[ImageItem],
    responses=TABLE_RESPONSES,
)
async def list_images(
    context: Context,
    export: ExportParameter,
    client: ClientAddress,
    bounds: ImageBounds,
    order: ImageOrder,
    since: Since = None,
    until: Until = None,
    stream: Stream = None,
    verdict: Annotated[
        Literal["accepted", "rejected"] | None, Query(description="Verdict of quality control")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ImageItem] | Response:
    """Return images with their verdicts; `since` and `until` are starts of exposures.

    `sort=id` is the order of association.
    """
    filters = {"since": since, "until": until, "stream": stream, "verdict": verdict, **bounds}
    wanted = {name: value for name, value in filters.items() if value is not None}
    if export is not None:
        return await export.answer(
            "list_images_filtered",
            IMAGES,
            name="images",
            parameters={**wanted, **order.parameters, "limit": limit},
        )
    if order.is_default and not wanted:
        before_id = order.decode(cursor).get("after_id")
        rows = await context.database.fetch("list_images", before_id=before_id, limit=limit)
    else:
        rows = await context.database.fetch_expensive(
            "list_images_filtered",
            client=client,
            **wanted,
            **order.parameters,
            **order.decode(cursor),
            limit=limit,
        )
    await refuse_unknown_stream(context, rows, stream)
    items = [ImageItem(**row) for row in rows]
    return Page(items=items, next=order.encode_next(rows, limit))


@router.get("/{image}", summary="One image", response_model=ImageItem, responses={**NOT_MODIFIED})
async def get_image(
    request: Request,
    context: Context,
    image: Annotated[str, Path(description="Number or sha256", examples=["60"])],
) -> Response:
    """Return the metadata, verdict and stage times of one image, which never change."""
    number, digest = to_key(image)
    rows = await context.database.fetch("list_images", id=number, image_id=digest, limit=1)
    if not rows:
        raise not_found("image", image)
    body = ImageItem(**rows[0]).model_dump_json().encode()
    return answer_immutable(request, body, "application/json")

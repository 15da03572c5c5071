"""`/images`: what was observed, and what became of it."""

import re
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from api.cursor import decode_cursor, encode_cursor
from api.handlers.parameters import Cursor, Limit, Reader, Since, Stream, Until, to_utc
from api.models import ImageItem, Page
from api.problems import not_found

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/images", tags=["images"])


@router.get("")
async def list_images(
    database: Reader,
    since: Since = None,
    until: Until = None,
    stream: Stream = None,
    verdict: Annotated[
        Literal["accepted", "rejected"] | None, Query(description="Used, or refused with reasons")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ImageItem]:
    """Return images, the last associated first; times are starts of exposures."""
    (before,) = decode_cursor(cursor, int) or (None,)
    rows = await database.fetch(
        "list_images", None, None, to_utc(since), to_utc(until), stream, verdict, before, limit
    )
    last = rows[-1] if len(rows) == limit else None
    items = [ImageItem(**row) for row in rows]
    return Page(items=items, next=last and encode_cursor(last["id"]))


@router.get("/{image}")
async def get_image(database: Reader, image: str) -> ImageItem:
    """Return one image by its number or its sha256."""
    number = int(image) if re.fullmatch(r"\d{1,18}", image) else None
    digest = image if number is None else None
    rows = await database.fetch("list_images", number, digest, *[None] * 5, 1)
    if not rows:
        raise not_found("image", image)
    return ImageItem(**rows[0])

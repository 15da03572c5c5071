"""`/sources/{id}/annotations`, tags, classifications, comments: what is said about a source."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from api.errors import not_found
from api.handlers.authorization import Writer, WriterParameter, token_first_route
from api.handlers.context import Context
from api.handlers.parameters import Key
from api.handlers.sources import get_source_row
from api.models.annotations import (
    Annotations,
    Classification,
    Comment,
    NewClassification,
    NewComment,
    NewTag,
    Tag,
)

__all__ = ["router"]

router = APIRouter(
    prefix="/api/v1/sources/{source_id}",
    tags=["annotations"],
    route_class=token_first_route("annotate"),
)
_MAX_COMMENTS = 500
_TagName = Annotated[str, Path(max_length=40, description="As it was added", examples=["follow"])]


@router.get("/annotations", summary="What was said about a source")
async def list_annotations(context: Context, source_id: Key) -> Annotations:
    """Return the tags, classifications and comments of a source."""
    fetch = context.database.fetch
    found = Annotations(
        tags=[Tag(**row) for row in await fetch("list_tags", source_id=source_id)],
        classifications=[
            Classification(**row)
            for row in await fetch("list_classifications", source_id=source_id)
        ],
        comments=[
            Comment(**row)
            for row in await fetch("list_comments", source_id=source_id, limit=_MAX_COMMENTS)
        ],
    )
    if not (found.tags or found.classifications or found.comments):
        # A source that left the running catalogue keeps what was said about it.
        await get_source_row(context, source_id)
    return found


@router.post("/tags", status_code=201, summary="Tag a source")
async def add_tag(
    request: Request, response: Response, writer: WriterParameter, source_id: Key, wanted: NewTag
) -> Tag:
    """Add a word by which the source is found again; it stays as it is where it has it."""
    row = await _write(writer, "insert_tag", source_id, tag=wanted.tag)
    response.headers["Location"] = f"{request.url.path}/{wanted.tag}"
    return Tag(**row)


@router.delete("/tags/{tag}", status_code=204, summary="Take a tag from a source")
async def delete_tag(writer: WriterParameter, source_id: Key, tag: _TagName) -> Response:
    """Take a tag from a source; the audit has who added it."""
    return await _delete(writer, "delete_tag", "tag", tag, source_id=source_id, tag=tag)


@router.post("/classifications", status_code=201, summary="Say what a source is")
async def classify_source(
    request: Request,
    response: Response,
    writer: WriterParameter,
    source_id: Key,
    wanted: NewClassification,
) -> Classification:
    """Store what an origin thinks that the source is; it replaces what it said before."""
    row = await _write(writer, "upsert_classification", source_id, **wanted.model_dump())
    response.headers["Location"] = f"{request.url.path}/{row['id']}"
    return Classification(**row)


@router.delete(
    "/classifications/{classification_id}", status_code=204, summary="Withdraw a classification"
)
async def delete_classification(
    writer: WriterParameter, source_id: Key, classification_id: Key
) -> Response:
    """Withdraw a classification; the audit keeps it."""
    return await _delete(
        writer,
        "delete_classification",
        "classification",
        classification_id,
        source_id=source_id,
        id=classification_id,
    )


@router.post("/comments", status_code=201, summary="Comment on a source")
async def add_comment(
    request: Request,
    response: Response,
    writer: WriterParameter,
    source_id: Key,
    wanted: NewComment,
) -> Comment:
    """Store a remark about a source, with the name of the token."""
    row = await _write(writer, "insert_comment", source_id, body=wanted.body)
    response.headers["Location"] = f"{request.url.path}/{row['id']}"
    return Comment(**row)


@router.delete("/comments/{comment_id}", status_code=204, summary="Delete a comment")
async def delete_comment(writer: WriterParameter, source_id: Key, comment_id: Key) -> Response:
    """Delete a comment; the audit keeps it."""
    return await _delete(
        writer, "delete_comment", "comment", comment_id, source_id=source_id, id=comment_id
    )


async def _write(
    writer: Writer, query: str, source_id: int, **values: object
) -> Mapping[str, Any]:
    rows = await writer.write(query, source_id=source_id, **values)
    if not rows:
        raise not_found("source", source_id)
    return rows[0]


async def _delete(writer: Writer, query: str, what: str, name: object, **key: object) -> Response:
    if not await writer.write(query, **key):
        raise not_found(what, name)
    return Response(status_code=204)

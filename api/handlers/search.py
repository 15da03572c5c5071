"""`/search`: positions in any notation, numbers, digests, identities and names."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.handlers.context import ApiContext, ClientAddress, Context
from api.models.base import Cone
from api.models.search import Found, Position, SearchResult
from api.steps.catalogue import search_boxes
from api.steps.search import find_meaning

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["search"])
_MAX_OF_A_KIND = 20
_PATHS = {
    "source": "/api/v1/sources/{}",
    "transient": "/api/v1/transients/{}",
    "alert": "/api/v1/alerts/{}",
    "image": "/api/v1/images/{}",
    "monitor": "/api/v1/monitors/{}",
    "stream": "/api/v1/transients?stream={}",
}


@router.get("/search", summary="What a text means")
async def search(
    context: Context,
    client: ClientAddress,
    q: Annotated[
        str,
        Query(
            min_length=1,
            max_length=300,
            pattern=r"^[^\x00]*$",
            description="Position, number, sha256 of an image, ivorn, trig_id, name or tag",
            examples=["8h13m36s +10d30m0s"],
        ),
    ],
    radius_arcsec: Annotated[
        float,
        Query(gt=0, le=3600, allow_inf_nan=False, description="Around a position [arcsec]"),
    ] = 60.0,
) -> SearchResult:
    """Return the sources around a position, nearest first, or else what has the number or name."""
    meaning = find_meaning(q)
    if meaning.position is None:
        rows = await context.database.fetch(
            "search_names", number=meaning.number, text=meaning.text, limit=_MAX_OF_A_KIND
        )
        return SearchResult(position=None, items=[_to_found(row) for row in rows])
    ra, dec = meaning.position
    cone = Cone(ra, dec, radius_arcsec / 3600)
    items = [_to_found(row) for row in await _fetch_nearest(context, cone, client=client)]
    return SearchResult(position=Position(ra=ra, dec=dec), items=items)


async def _fetch_nearest(
    context: ApiContext, cone: Cone, *, client: str
) -> list[Mapping[str, Any]]:
    rows = await context.database.fetch_expensive(
        "list_nearest_sources", client=client, **search_boxes(cone), limit=_MAX_OF_A_KIND
    )
    return [{**row, "kind": "source"} for row in rows]


def _to_found(row: Mapping[str, Any]) -> Found:
    return Found(
        kind=row["kind"],
        id=row["id"],
        label=row["label"],
        path=_PATHS[row["kind"]].format(row["id"]),
        separation_arcsec=row.get("separation_arcsec"),
    )

"""`/references`: reference catalogues, and which part of their sources was found."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.errors import not_found
from api.handlers.context import ClientAddress, Context, refuse_unknown_stream
from api.handlers.parameters import Stream
from api.models.base import Page
from api.models.references import CompletenessBin, ReferenceCatalogue

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/references", tags=["references"])

_BINS_PER_DECADE = 8
_MAX_SOURCES = 20_000


@router.get("", summary="Reference catalogues")
async def list_reference_catalogues(context: Context) -> Page[ReferenceCatalogue]:
    """Return the reference catalogues that were loaded, by name; it has one page."""
    rows = await context.database.fetch("list_reference_catalogues")
    return Page(items=[ReferenceCatalogue(**row) for row in rows], next=None)


@router.get("/{name}/completeness", summary="Which part of a catalogue was found")
async def list_completeness(
    context: Context,
    client: ClientAddress,
    name: Annotated[str, Path(max_length=64, description="Of the catalogue", examples=["nvss"])],
    stream: Stream = None,
    radius_arcsec: Annotated[
        float,
        Query(gt=0, le=600, allow_inf_nan=False, description="Found: as near as this [arcsec]"),
    ] = 60.0,
) -> Page[CompletenessBin]:
    """Return by flux density how many sources of a catalogue the running catalogue has.

    Of sources that were put into the images it is the completeness of the search. Sources without
    a flux density are left out, and at most 20 000 are compared. It has one page.
    """
    known = await context.database.fetch("list_reference_catalogues")
    if name not in {row["name"] for row in known}:
        raise not_found("reference catalogue", name)
    await refuse_unknown_stream(context, [], stream)
    rows = await context.database.fetch_expensive(
        "list_completeness",
        client=client,
        catalogue=name,
        stream=stream,
        radius_arcsec=radius_arcsec,
        bins_per_decade=_BINS_PER_DECADE,
        limit=_MAX_SOURCES,
    )
    return Page(items=[CompletenessBin(**row) for row in rows], next=None)

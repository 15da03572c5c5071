"""`/sources`: the running catalogue and the statistics of its light curves."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.errors import not_found
from api.handlers.context import ApiContext, ClientAddress, Context, refuse_unknown_stream
from api.handlers.exports import TABLE_RESPONSES, ExportParameter
from api.handlers.paging import decode_id, to_page
from api.handlers.parameters import ConeParameter, Cursor, Key, Limit, Stream
from api.handlers.source_filter import OrderParameter, SourceFilter, SourceOrder
from api.models.base import Cone, Page
from api.models.columns import SOURCES
from api.models.lightcurves import LightCurveStatistics
from api.models.observations import GapItem
from api.models.references import ReferenceSource
from api.models.sources import RelatedSource, SourceDetail, SourceItem, SourcePage
from api.steps.catalogue import (
    POSITION_ERRORS,
    search_boxes,
    to_source_items,
    with_position_errors,
)

__all__ = ["get_source_row", "router"]

router = APIRouter(prefix="/api/v1/sources", tags=["sources"])

_Window = Annotated[float, Query(gt=0, le=1e9, allow_inf_nan=False)]
_BY_ID = SourceOrder("id", is_ascending=True)
# Statistics within a time window read at most so many points, the newest.
_MAX_POINTS = 10_000
_MAX_RELATED = 500


@router.get(
    "",
    summary="Sources of the running catalogue",
    response_model=SourcePage,
    responses=TABLE_RESPONSES,
)
async def list_sources(
    context: Context,
    client: ClientAddress,
    export: ExportParameter,
    cone: ConeParameter,
    bounds: SourceFilter,
    order: OrderParameter,
    stream: Stream = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> SourcePage | Response:
    """Return sources of the running catalogue that pass the filters, in an order.

    By id and without bounds it is the catalogue of now. Otherwise it is a copy of some seconds
    ago, `as_of`: bounds and order are those of that time.
    """
    after_key, after_id = order.decode(cursor)
    where = {} if cone is None else search_boxes(cone)
    page = {"stream": stream, "after_id": after_id, "limit": limit}
    if export is not None:
        return await export.answer(
            "list_sources_by_statistic",
            SOURCES,
            name="sources",
            parameters={
                **where,
                **page,
                **bounds,
                "sort": order.sort,
                "is_ascending": order.is_ascending,
            },
            convert=with_position_errors,
            converted=POSITION_ERRORS,
        )
    as_of = None
    if order == _BY_ID and not bounds:
        query = "list_sources" if cone is None else "list_sources_in_cone"
        rows = await context.database.fetch(query, **where, **page)
    else:
        rows, as_of = await _list_by_statistic(
            context, {**where, **page, **bounds, "after_key": after_key}, order, client=client
        )
    await refuse_unknown_stream(context, rows, stream)
    items = await _to_items(context, rows)
    is_full = len(rows) == limit
    last = rows[-1] if is_full else {}
    cursor = order.encode(last.get("sort_key", 0.0), last["id"]) if is_full else None
    return SourcePage(items=items, next=cursor, as_of=as_of)


async def _list_by_statistic(
    context: ApiContext, parameters: Mapping[str, Any], order: SourceOrder, *, client: str
) -> tuple[Sequence[Mapping[str, Any]], datetime | None]:
    """Return rows of the copy of the statistics, and its time."""
    copied = await context.database.fetch("get_statistics_refresh")
    rows = await context.database.fetch_expensive(
        "list_sources_by_statistic",
        client=client,
        **parameters,
        sort=order.sort,
        is_ascending=order.is_ascending,
    )
    return rows, copied[0]["time_refreshed"] if copied else None


@router.get("/{source_id}", summary="One source")
async def get_source(
    context: Context,
    source_id: Key,
    look_back_s: Annotated[
        list[_Window] | None,
        Query(
            max_length=10,
            description="Lengths of windows that end at the newest point [s]; "
            "default: LIVETRAP_API__STATISTICS_WINDOWS_S",
        ),
    ] = None,
    blind_only: Annotated[  # noqa: FBT002  (a query parameter has a name)
        bool, Query(description="Statistics without forced and monitor points")
    ] = False,
) -> SourceDetail:
    """Return one source, with statistics of its newest 10 000 points by time window."""
    (item,) = await _to_items(context, [await get_source_row(context, source_id)])
    windows = look_back_s or context.settings.statistics_windows_s
    statistics = await context.database.fetch(
        "get_lightcurve_statistics",
        source_id=source_id,
        look_back_s=[None, *windows],
        max_points=_MAX_POINTS,
        blind_only=blind_only,
    )
    return SourceDetail(
        **item.model_dump(), statistics=[LightCurveStatistics(**row) for row in statistics]
    )


@router.get("/{source_id}/related", summary="Sources that a source is related to")
async def list_related_sources(
    context: Context,
    client: ClientAddress,
    source_id: Key,
    radius_arcsec: Annotated[
        float,
        Query(gt=0, le=3600, allow_inf_nan=False, description="Of neighbours [arcsec]"),
    ] = 60.0,
) -> Page[RelatedSource]:
    """Return ancestors, children, sources of shared measurements and neighbours, nearest first.

    It has one page, of at most 500 sources.
    """
    row = await get_source_row(context, source_id)
    boxes = search_boxes(Cone(row["ra"], row["dec"], radius_arcsec / 3600))
    where = {name: boxes[name] for name in ("zone", "ra_low", "ra_high", "dec_low", "dec_high")}
    rows = await context.database.fetch_expensive(
        "list_related_sources",
        client=client,
        source_id=source_id,
        **where,
        radius_arcsec=radius_arcsec,
        limit=_MAX_RELATED,
    )
    return Page(items=[RelatedSource(**each) for each in rows], next=None)


@router.get("/{source_id}/references", summary="Nearest sources of reference catalogues")
async def list_references(
    context: Context,
    source_id: Key,
    radius_arcsec: Annotated[
        float, Query(gt=0, le=3600, allow_inf_nan=False, description="Around it [arcsec]")
    ] = 300.0,
) -> Page[ReferenceSource]:
    """Return the nearest source of each reference catalogue that was loaded, nearest first.

    It has one page.
    """
    row = await get_source_row(context, source_id)
    rows = await context.database.fetch(
        "list_references", ra=row["ra"], dec=row["dec"], radius_arcsec=radius_arcsec
    )
    return Page(items=[ReferenceSource(**each) for each in rows], next=None)


@router.get("/{source_id}/gaps", summary="Forced measurements that could not be made")
async def list_gaps(
    context: Context, source_id: Key, limit: Limit = 50, cursor: Cursor = None
) -> Page[GapItem]:
    """Return where a forced measurement of a source is missing and why, newest image first."""
    await get_source_row(context, source_id)
    rows = await context.database.fetch(
        "list_gaps", source_id=source_id, before_id=decode_id(cursor), limit=limit
    )
    return to_page([GapItem(**row) for row in rows], rows, limit, "id")


async def get_source_row(context: ApiContext, source_id: int) -> Mapping[str, Any]:
    """Return the row of a source, archived ones included.

    Raises
    ------
    ProblemError
        404 if there is none.
    """
    rows = await context.database.fetch("list_sources", id=source_id, limit=1)
    if not rows:
        raise not_found("source", source_id)
    return rows[0]


async def _to_items(context: ApiContext, rows: Sequence[Mapping[str, Any]]) -> list[SourceItem]:
    bands = await context.database.fetch(
        "list_source_bands", source_id=[row["id"] for row in rows]
    )
    return to_source_items(rows, bands)

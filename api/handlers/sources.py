"""`/sources`: the running catalogue and the statistics of its light curves."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from api.errors import ProblemError, not_found
from api.handlers.context import ApiContext, Context, refuse_unknown_stream
from api.handlers.paging import decode_cursor, to_page
from api.handlers.parameters import ConeParameter, Cursor, Key, Limit, Stream
from api.models.base import Page
from api.models.lightcurves import LightCurveStatistics
from api.models.sources import SourceDetail, SourceItem
from api.steps.catalogue import search_boxes, to_source_items

__all__ = ["get_source_row", "router"]

router = APIRouter(prefix="/api/v1/sources", tags=["sources"])

_Window = Annotated[float, Query(gt=0, le=1e9, allow_inf_nan=False)]
_Sort = Literal["id", "eta", "v", "n_datapoints", "last_time_start"]
# Statistics within a time window read at most so many points, the newest.
_MAX_POINTS = 10_000


@router.get("", summary="Sources of the running catalogue")
async def list_sources(
    context: Context,
    cone: ConeParameter,
    stream: Stream = None,
    min_n_datapoints: Annotated[
        int | None, Query(ge=0, le=2**31 - 1, description="Least points of the light curve")
    ] = None,
    min_eta: Annotated[
        float | None, Query(allow_inf_nan=False, description="Least reduced chi-square")
    ] = None,
    min_v: Annotated[
        float | None, Query(allow_inf_nan=False, description="Least coefficient of variation")
    ] = None,
    sort: Annotated[_Sort, Query(description="Descending; id ascends")] = "id",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SourceItem]:
    """Return sources of the running catalogue that pass the filters, in an order."""
    after_key, after_id = _decode(cursor, sort)
    rows = await context.database.fetch(
        "list_sources" if cone is None else "list_sources_in_cone",
        **({} if cone is None else search_boxes(cone)),
        stream=stream,
        min_n_datapoints=min_n_datapoints,
        min_eta=min_eta,
        min_v=min_v,
        sort=sort,
        after_key=after_key,
        after_id=after_id,
        limit=limit,
    )
    await refuse_unknown_stream(context, rows, stream)
    keyed = [{**row, "sort": sort} for row in rows]
    return to_page(await _to_items(context, rows), keyed, limit, "sort", "sort_key", "id")


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


def _decode(cursor: str | None, sort: _Sort) -> tuple[float | None, int | None]:
    values = decode_cursor(cursor, str, float, int)
    if values is None:
        return None, None
    if values[0] != sort:
        raise ProblemError(400, f"cursor: from a list sorted by {values[0]}, not by {sort}")
    return float(values[1]), int(values[2])


async def get_source_row(context: ApiContext, source_id: int) -> Mapping[str, Any]:
    """Return the row of a source.

    Raises
    ------
    ProblemError
        404 if there is none.
    """
    rows = await context.database.fetch("list_sources", id=source_id, sort="id", limit=1)
    if not rows:
        raise not_found("source", source_id)
    return rows[0]


async def _to_items(context: ApiContext, rows: Sequence[Mapping[str, Any]]) -> list[SourceItem]:
    bands = await context.database.fetch(
        "list_source_bands", source_id=[row["id"] for row in rows]
    )
    return to_source_items(rows, bands)

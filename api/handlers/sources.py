"""`/sources`: the running catalogue and its light curves."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.cursor import decode_cursor, encode_cursor
from api.handlers.parameters import ConeParameter, Cursor, Limit, Number, Reader, Stream
from api.lightcurve import to_csv, to_votable
from api.models import (
    BandStatistics,
    Cone,
    LightCurve,
    LightCurvePoint,
    LightCurveStatistics,
    Page,
    SourceDetail,
    SourceItem,
)
from api.problems import ProblemError, not_found
from sky.geometry import probe_zones
from sky.statistics import spectral_index

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/sources", tags=["sources"])

LookBack = Annotated[float, Query(gt=0, le=1e9, allow_inf_nan=False)]
Sort = Literal["id", "eta", "v", "n_datapoints", "last_time_start"]
# A source is found by its position at creation, which follows a drift only beyond this.
_DRIFT_DEG = 10 / 3600
# Statistics over a look-back read at most so many points, the newest.
_N_NEWEST = 10_000


@router.get("")
async def list_sources(
    request: Request,
    database: Reader,
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
    sort: Annotated[Sort, Query(description="Largest first; ids ascend")] = "id",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SourceItem]:
    """Return sources of the running catalogue."""
    key, after_id = _place(cursor, sort)
    filters = (stream, min_n_datapoints, min_eta, min_v, sort, key, after_id, limit)
    if cone is None:
        rows = await database.fetch("list_sources", None, *filters)
    else:
        rows = await database.fetch("list_sources_in_cone", *_boxes(cone), *filters)
    items = await _to_items(request, database, rows)
    last = rows[-1] if len(rows) == limit else None
    return Page(items=items, next=last and encode_cursor(sort, last["sort_key"], last["id"]))


@router.get("/{source_id}")
async def get_source(
    request: Request,
    database: Reader,
    source_id: Number,
    look_back_s: Annotated[
        list[LookBack] | None,
        Query(max_length=10, description="Before the newest point [s]; default: the settings'"),
    ] = None,
    blind_only: Annotated[  # noqa: FBT002  (a query parameter has a name)
        bool, Query(description="Statistics without forced and monitored points")
    ] = False,
) -> SourceDetail:
    """Return one source, with the statistics of its newest points over some look-backs."""
    rows = await database.fetch("list_sources", source_id, *[None] * 4, "id", None, None, 1)
    if not rows:
        raise not_found("source", source_id)
    look_backs = look_back_s or request.app.state.look_backs_s
    (item,) = await _to_items(request, database, rows)
    statistics = await database.fetch(
        "get_lightcurve_statistics", source_id, [None, *look_backs], _N_NEWEST, blind_only
    )
    return SourceDetail(
        **item.model_dump(),
        statistics=[LightCurveStatistics(**row) for row in statistics],
    )


@router.get("/{source_id}/lightcurve", response_model=LightCurve)
async def get_lightcurve(
    database: Reader,
    source_id: Number,
    band: Annotated[
        float | None,
        Query(gt=0, allow_inf_nan=False, description="Centre frequency, within 1 percent [Hz]"),
    ] = None,
    format: Annotated[  # noqa: A002
        Literal["json", "csv", "votable"], Query(description="What the points come as")
    ] = "json",
) -> LightCurve | Response:
    """Return every measurement of a source, its parents' before it split off included."""
    if not await database.fetch("list_sources", source_id, *[None] * 4, "id", None, None, 1):
        raise not_found("source", source_id)
    rows = await database.fetch("get_lightcurve", source_id, band)
    points = [LightCurvePoint(**row) for row in rows]
    name = f"livetrap-source-{source_id}"
    if format == "csv":
        return _download(to_csv(points), "text/csv", f"{name}.csv")
    if format == "votable":
        text = to_votable(points, source_id)
        return _download(text, "application/x-votable+xml", f"{name}.xml")
    return LightCurve(source_id=source_id, points=points)


def _place(cursor: str | None, sort: Sort) -> tuple[float | None, int | None]:
    values = decode_cursor(cursor, str, float, int)
    if values is None:
        return None, None
    if values[0] != sort:
        raise ProblemError(
            400, f"cursor: from a list by {values[0]}, not by {sort}; leave sort as it was"
        )
    return float(values[1]), int(values[2])


def _download(text: str, media_type: str, file_name: str) -> Response:
    headers = {"Content-Disposition": f'inline; filename="{file_name}"'}
    return Response(text, media_type=media_type, headers=headers)


def _boxes(cone: Cone) -> tuple[Any, ...]:
    probes = probe_zones(
        np.array([cone.ra]), np.array([cone.dec]), min(180.0, cone.radius_deg + _DRIFT_DEG)
    )
    boxes = (probes.zone.tolist(), probes.ra_low.tolist(), probes.ra_high.tolist())
    return (*boxes, probes.dec_low, probes.dec_high, cone.ra, cone.dec, cone.radius_deg)


async def _to_items(
    request: Request, database: Reader, rows: Sequence[Mapping[str, Any]]
) -> list[SourceItem]:
    systematic_deg: float = request.app.state.systematic_position_error_deg
    bands: dict[int, list[BandStatistics]] = {row["id"]: [] for row in rows}
    for row in await database.fetch("list_source_bands", list(bands)):
        fields = dict(row)
        bands[fields.pop("source_id")].append(BandStatistics(**fields))
    return [
        SourceItem(
            **{name: value for name, value in row.items() if name in SourceItem.model_fields},
            ra_err_deg=_error(row["weight_ra"], systematic_deg),
            dec_err_deg=_error(row["weight_dec"], systematic_deg),
            bands=bands[row["id"]],
            **_spectrum(bands[row["id"]]),
        )
        for row in rows
    ]


def _spectrum(bands: Sequence[BandStatistics]) -> dict[str, float | None]:
    """Return the spectral index of a source, if its bands tell one."""
    points = [
        (band.freq_eff_hz, band.flux_int_wmean_jy, band.flux_int_wmean_err_jy)
        for band in bands
        if band.stokes == "I"
    ]
    found = spectral_index(*np.array(points, float).reshape(-1, 3).T)
    index, err = found or (None, None)
    return {"spectral_index": index, "spectral_index_err": err}


def _error(weight: float, systematic_deg: float) -> float | None:
    """Return the error of a weighted mean, the systematic one as a floor in quadrature."""
    return math.hypot(1 / math.sqrt(weight), systematic_deg) if weight > 0 else None

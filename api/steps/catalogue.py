"""Rows of the running catalogue as sources, and the boxes that hold a cone."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from api.models.base import Cone
from api.models.sources import BandStatistics, SourceItem
from sky.geometry import probe_zones
from sky.statistics import spectral_index

__all__ = ["POSITION_ERRORS", "search_boxes", "to_source_items", "with_position_errors"]

# The search index holds the position at creation; it follows a drift only beyond this.
_DRIFT_DEG = 10 / 3600
# What `with_position_errors` adds.
POSITION_ERRORS = ("ra_err_deg", "dec_err_deg")
_FIELDS = frozenset(SourceItem.model_fields)


def search_boxes(cone: Cone) -> dict[str, object]:
    """Return a cone and the boxes of the search index as parameters of a query."""
    probes = probe_zones(
        np.array([cone.ra]), np.array([cone.dec]), min(180.0, cone.radius_deg + _DRIFT_DEG)
    )
    return {
        "zone": probes.zone.tolist(),
        "ra_low": probes.ra_low.tolist(),
        "ra_high": probes.ra_high.tolist(),
        "dec_low": probes.dec_low,
        "dec_high": probes.dec_high,
        "ra": cone.ra,
        "dec": cone.dec,
        "radius_deg": cone.radius_deg,
    }


def to_source_items(
    rows: Sequence[Mapping[str, Any]], band_rows: Sequence[Mapping[str, Any]]
) -> list[SourceItem]:
    """Return sources with their bands.

    Parameters
    ----------
    rows : sequence of mappings
        Rows of ``list_sources``.
    band_rows : sequence of mappings
        Rows of ``list_source_bands`` of the same sources.
    """
    bands: dict[int, list[BandStatistics]] = {row["id"]: [] for row in rows}
    for row in band_rows:
        fields = dict(row)
        bands[fields.pop("source_id")].append(BandStatistics(**fields))
    return [_to_source_item(row, bands[row["id"]]) for row in rows]


def _to_source_item(row: Mapping[str, Any], bands: Sequence[BandStatistics]) -> SourceItem:
    systematic_deg = row["systematic_position_error_deg"]
    fields: dict[str, Any] = {
        "flux_int_mean_jy": _largest(band.flux_int_mean_jy for band in bands),
        "flux_int_max_jy": _largest(band.flux_int_max_jy for band in bands),
        "flux_peak_mean_jy_beam": _largest(band.flux_peak_mean_jy_beam for band in bands),
        **_spectrum(bands),
        # A list by a statistic has these as they were when it was ordered.
        **{name: value for name, value in row.items() if name in _FIELDS},
        "ra_err_deg": _position_error_deg(row["weight_ra"], systematic_deg),
        "dec_err_deg": _position_error_deg(row["weight_dec"], systematic_deg),
        "bands": bands,
    }
    return SourceItem(**fields)


def with_position_errors(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a source with ``ra_err_deg`` and ``dec_err_deg``."""
    systematic_deg = row["systematic_position_error_deg"]
    return {
        **row,
        "ra_err_deg": _position_error_deg(row["weight_ra"], systematic_deg),
        "dec_err_deg": _position_error_deg(row["weight_dec"], systematic_deg),
    }


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _spectrum(bands: Sequence[BandStatistics]) -> dict[str, float | None]:
    """Return the spectral index of a source and its error; None for fewer than two bands."""
    points = [
        (band.freq_eff_hz, band.flux_int_wmean_jy, band.flux_int_wmean_err_jy)
        for band in bands
        if band.stokes == "I"
    ]
    found = spectral_index(*np.array(points, float).T) if len(points) > 1 else None
    index, err = found or (None, None)
    return {"spectral_index": index, "spectral_index_err": err}


def _position_error_deg(weight: float, systematic_deg: float) -> float | None:
    """Return the error of a weighted mean, with the systematic error added in quadrature."""
    return math.hypot(1 / math.sqrt(weight), systematic_deg) if weight > 0 else None

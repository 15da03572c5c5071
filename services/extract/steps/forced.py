"""Forced photometry: how bright the image is where a source is expected."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from schemas.reasons import ForcedReason
from services.extract.kernels.forced import BLANK, CONFUSED, MEASURED, OUTSIDE, measure_forced
from services.extract.models import Extraction, Image
from services.extract.steps.catalogue import to_beam_shape
from sky.rms_grid import rms_at

__all__ = ["REASONS", "ForcedFluxes", "measure_positions"]

FloatArray = npt.NDArray[np.float64]

# Why a position has no flux; empty where it has.
REASONS = {
    MEASURED: "",
    OUTSIDE: ForcedReason.OUTSIDE.value,
    BLANK: ForcedReason.BLANK.value,
    CONFUSED: ForcedReason.CONFUSED.value,
}

# The beam is 3e-8 of its peak at 2.5 FWHM; nearer than half a FWHM two sources are one.
_TOGETHER_BEAMS, _SAME_BEAMS = 2.5, 0.5
_MAX_NEIGHBOURS = 16


@dataclass(frozen=True, slots=True)
class ForcedFluxes:
    """Fluxes at given positions, all of length n.

    `flux_peak_jy_beam`, its error and the local rms are NaN where `reason` (one of the values
    of `REASONS`) says why there is none.
    """

    flux_peak_jy_beam: FloatArray
    flux_peak_err_jy_beam: FloatArray
    rms_local_jy_beam: FloatArray
    reason: tuple[str, ...]


def measure_positions(
    image: Image, extraction: Extraction, ra: FloatArray, dec: FloatArray
) -> ForcedFluxes:
    """Measure beam-shaped sources at positions, whether they were found or not.

    Parameters
    ----------
    image : Image
        The image.
    extraction : Extraction
        What was found in it: its grids serve as background and noise, its sources are taken
        apart from the positions.
    ra, dec : (n,) float64
        Positions, ICRS [deg].

    Returns
    -------
    ForcedFluxes
        In the order of the positions. A source that was found within half a beam of a position
        is the one that is measured there.
    """
    beam = to_beam_shape(image)
    wanted_x, wanted_y = image.projection.to_pixel(ra, dec)
    x = np.concatenate([wanted_x, extraction.found.x])
    y = np.concatenate([wanted_y, extraction.found.y])
    shape = (image.pixels.shape[0], image.pixels.shape[1])
    background = rms_at(extraction.background_grid, shape, x, y)
    rms = rms_at(extraction.rms_grid, shape, x, y)
    flux, flux_err = np.empty(ra.size), np.empty(ra.size)
    status = np.empty(ra.size, np.int64)
    measure_forced(
        image.pixels,
        x,
        y,
        background,
        rms,
        _measured_together(x, y, ra.size, beam.major_px),
        ra.size,
        *beam.quadratic,
        flux,
        flux_err,
        status,
    )
    return ForcedFluxes(
        flux, flux_err, np.where(status == MEASURED, rms[: ra.size], np.nan),
        tuple(REASONS[int(each)] for each in status),
    )  # fmt: skip


def _measured_together(
    x: FloatArray, y: FloatArray, n_wanted: int, beam_px: float
) -> npt.NDArray[np.int64]:
    """Return (n_wanted, 16) indices of the sources near each wanted position; then -1."""
    result = np.full((n_wanted, _MAX_NEIGHBOURS), -1, np.int64)
    points = np.stack([x, y], axis=1)
    inside = np.flatnonzero(np.isfinite(points).all(axis=1))
    if inside.size < 2:
        return result
    tree = cKDTree(points[inside])
    wanted = inside[inside < n_wanted]
    k = min(_MAX_NEIGHBOURS * 2, inside.size)
    distance, index = tree.query(
        points[wanted], k=k, distance_upper_bound=_TOGETHER_BEAMS * beam_px
    )
    for source, distances, indices in zip(wanted, distance, index, strict=True):
        near = np.isfinite(distances) & (distances > _SAME_BEAMS * beam_px)
        candidates = inside[indices[near]]
        # What was found is there for certain; other wanted places only may be.
        candidates = candidates[np.argsort(candidates < n_wanted, kind="stable")]
        others = _apart(candidates, points, _SAME_BEAMS * beam_px)
        result[source, : len(others)] = others
    return result


def _apart(candidates: npt.NDArray[np.int64], points: FloatArray, same_px: float) -> list[int]:
    """Return candidates in their order without those that are the same source as one before."""
    chosen: list[int] = []
    for candidate in candidates:
        offset = points[chosen] - points[candidate]
        if not chosen or np.hypot(*offset.T).min() > same_px:
            chosen.append(int(candidate))
        if len(chosen) == _MAX_NEIGHBOURS:
            break
    return chosen

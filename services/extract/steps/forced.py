"""Forced photometry: the peak flux at given positions of an image."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.reasons import ForcedReason
from services.extract.kernels.fluxes import correct_peaks
from services.extract.kernels.forced import BLANK, CONFUSED, MEASURED, OUTSIDE, measure_forced
from services.extract.models import BeamShape, Extraction, FinderParameters, Image
from services.extract.steps.ellipses import to_beam_shape
from sky.neighbours import pairs_within
from sky.rms_grid import rms_at

__all__ = ["REASONS", "ForcedFluxes", "measure_positions"]

FloatArray = npt.NDArray[np.float64]

# Reason by status of the kernel; empty where there is a flux.
REASONS = {
    MEASURED: "",
    OUTSIDE: ForcedReason.OUTSIDE.value,
    BLANK: ForcedReason.BLANK.value,
    CONFUSED: ForcedReason.CONFUSED.value,
}

# The beam is 3e-8 of its peak at 2.5 FWHM; two positions within half a FWHM are one source.
_NEIGHBOUR_BEAMS, _COINCIDENT_BEAMS = 2.5, 0.5
_MAX_NEIGHBOURS = 16


@dataclass(frozen=True, slots=True)
class ForcedFluxes:
    """Fluxes at given positions, all of length n.

    `flux_peak_jy_beam`, its error and the local rms are NaN where `reason` (one of the values
    of `REASONS`) is not empty.
    """

    flux_peak_jy_beam: FloatArray
    flux_peak_err_jy_beam: FloatArray
    rms_local_jy_beam: FloatArray
    reason: tuple[str, ...]


def measure_positions(
    image: Image, extraction: Extraction, ra: FloatArray, dec: FloatArray
) -> ForcedFluxes:
    """Measure beam-shaped sources at given positions, detected or not.

    Parameters
    ----------
    image : Image
        The image.
    extraction : Extraction
        Its background, its noise, and its sources: they are deblended from the positions. The
        fluxes are corrected as those of the sources are, and their errors enlarged.
    ra, dec : (n,) float64
        Positions, ICRS [deg].

    Returns
    -------
    ForcedFluxes
        In the order of the positions. A source within half a beam of a position counts as the
        source at that position. At a place without a source the mean is zero: what CLEAN takes is
        given back in full above three sigma, in proportion below.
    """
    beam = to_beam_shape(image)
    position_x, position_y = image.projection.to_pixel(ra, dec)
    x = np.concatenate([position_x, extraction.found.x])
    y = np.concatenate([position_y, extraction.found.y])
    shape = (image.pixels.shape[0], image.pixels.shape[1])
    background = rms_at(extraction.background_grid, shape, x, y)
    rms = rms_at(extraction.rms_grid, shape, x, y)
    neighbours = _neighbours_of_positions(x, y, ra.size, beam.major_px)
    peak, peak_err = np.empty(ra.size), np.empty(ra.size)
    status = np.empty(ra.size, np.int64)
    sources = np.stack([x, y, background, rms])
    for chosen, near, quadratic in _problems(sources, neighbours, ra.size, beam):
        x0, y0, level, noise = np.ascontiguousarray(sources[:, chosen])
        at = chosen[: near.shape[0]]
        part = slice(int(at[0]), int(at[-1]) + 1)
        measure_forced(
            image.pixels, x0, y0, level, noise, near, near.shape[0], *quadratic,
            peak[part], peak_err[part], status[part],
        )  # fmt: skip
    flux, flux_err = _corrected(peak, peak_err, extraction.parameters)
    return ForcedFluxes(
        flux,
        flux_err,
        np.where(status == MEASURED, rms[: ra.size], np.nan),
        tuple(REASONS[int(each)] for each in status),
    )


def _corrected(peak: FloatArray, peak_err: FloatArray, parameters: FinderParameters) -> FloatArray:
    """Return (2, n) fluxes and errors, corrected as those of the sources are."""
    fluxes = np.empty((2, peak.size))
    correct_peaks(
        peak, peak_err,
        (parameters.clean_bias_jy_beam, parameters.clean_bias_err_jy_beam),
        parameters.flux_calibration_error, fluxes,
    )  # fmt: skip
    return fluxes


_Problem = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], tuple[float, float, float]]


def _problems(
    sources: FloatArray, neighbours: npt.NDArray[np.int64], n_positions: int, beam: BeamShape
) -> Iterator[_Problem]:
    """Yield sources, their neighbours among these, and the beam: one problem where it is constant.

    A map of beams makes one of each position: the beam at it is that of its neighbours, too.
    """
    if not n_positions:
        return
    if beam.local is None:
        yield np.arange(sources.shape[1]), neighbours, beam.quadratic
        return
    x, y = sources[:2, :n_positions]
    quadratics = beam.quadratics(np.nan_to_num(x), np.nan_to_num(y))
    for position, (a, b, c) in enumerate(quadratics.tolist()):
        near = neighbours[position][neighbours[position] >= 0]
        order = np.full((1, neighbours.shape[1]), -1, np.int64)
        order[0, : near.size] = np.arange(1, near.size + 1)
        yield np.concatenate([[position], near]), order, (a, b, c)


def _neighbours_of_positions(
    x: FloatArray, y: FloatArray, n_positions: int, beam_px: float
) -> npt.NDArray[np.int64]:
    """Return (n_positions, 16) indices of the sources near each position; then -1."""
    result = np.full((n_positions, _MAX_NEIGHBOURS), -1, np.int64)
    points = np.stack([x, y], axis=1)
    inside = np.flatnonzero(np.isfinite(points).all(axis=1))
    positions = inside[inside < n_positions]
    if inside.size < 2 or not positions.size:
        return result
    position, other = pairs_within(points[positions], points[inside], _NEIGHBOUR_BEAMS * beam_px)
    distance = np.hypot(*(points[positions[position]] - points[inside[other]]).T)
    order = np.lexsort((distance, position))
    ends = np.searchsorted(position[order], np.arange(positions.size), side="right")
    for source, pairs in zip(positions, np.split(order, ends[:-1]), strict=True):
        nearest = pairs[: _MAX_NEIGHBOURS * 2]
        chosen = nearest[distance[nearest] > _COINCIDENT_BEAMS * beam_px]
        candidates = inside[other[chosen]]
        # Detected sources first: another position may have no source.
        candidates = candidates[np.argsort(candidates < n_positions, kind="stable")]
        others = _distinct(candidates, points, _COINCIDENT_BEAMS * beam_px)
        result[source, : len(others)] = others
    return result


def _distinct(
    candidates: npt.NDArray[np.int64], points: FloatArray, coincident_px: float
) -> list[int]:
    """Return candidates in their order without those that coincide with an earlier one."""
    chosen: list[int] = []
    for candidate in candidates:
        offset = points[chosen] - points[candidate]
        if not chosen or np.hypot(*offset.T).min() > coincident_px:
            chosen.append(int(candidate))
        if len(chosen) == _MAX_NEIGHBOURS:
            break
    return chosen

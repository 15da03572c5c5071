"""Forced photometry: generalised least squares with the beam as the covariance of the noise."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from services.extract.kernels.forced_estimate import (
    SIDE,
    beam_at,
    estimate_alone,
    fill_covariance,
    list_valid,
    stride_of,
    weigh,
)
from services.extract.kernels.linear import factorise, solve_by_elimination
from services.extract.kernels.measure import gaussian

__all__ = ["BLANK", "CONFUSED", "MEASURED", "OUTSIDE", "measure_forced"]

MEASURED, OUTSIDE, BLANK, CONFUSED = 0, 1, 2, 3

# Largest error, in units of that of an isolated source, at which a flux is reported.
_MAX_ERROR_GROWTH = 5.0


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _list_members(
    source: int,
    neighbours: npt.NDArray[np.int64],
    outcome: npt.NDArray[np.int64],
    members: npt.NDArray[np.int64],
) -> int:
    """List a position and its measured neighbours; return their number."""
    members[0] = source
    n_members = 1
    for index in range(neighbours.size):
        other = neighbours[index]
        if other < 0:
            break
        if outcome[other] == MEASURED:
            members[n_members] = other
            n_members += 1
    return n_members


@njit(
    "float64(float64[::1], int64, UniTuple(int64, 2), float64, float64, UniTuple(float64, 3))",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _response(
    weights: npt.NDArray[np.float64],
    stride: int,
    corner: tuple[int, int],
    x: float,
    y: float,
    beam: tuple[float, float, float],
) -> float:
    """Return what a source of unit flux at x, y contributes to the estimate of a patch."""
    response = 0.0
    for k in range(SIDE * SIDE):
        if weights[k] != 0.0:
            response += weights[k] * beam_at(k, stride, corner, x, y, beam)
    return response


@njit(
    "boolean(int64[::1], int64, int64, int64[:, ::1], float64[:, ::1], float64[::1],"
    " float64[::1], UniTuple(float64, 3), float64[:, ::1], float64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _separate(
    members: npt.NDArray[np.int64],
    n_members: int,
    stride: int,
    corners: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float64],
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    beam: tuple[float, float, float],
    mixing: npt.NDArray[np.float64],
    coefficients: npt.NDArray[np.float64],
) -> bool:
    """Compute the coefficients of all estimates in the flux of the first; False if singular.

    mixing[j, i] is the contribution to estimate i of a unit source at j. Solving with it gives
    the row of the inverse of its transpose that turns all estimates into this flux.
    """
    for i in range(n_members):
        a = members[i]
        for j in range(n_members):
            b = members[j]
            corner = (corners[a, 0], corners[a, 1])
            mixing[j, i] = _response(weights[a], stride, corner, x[b], y[b], beam)
        coefficients[i] = 0.0
    coefficients[0] = 1.0
    return solve_by_elimination(mixing, n_members, coefficients)


@njit(
    "UniTuple(float64, 2)(int64[::1], int64, float64[::1], float64[::1], float64[:, ::1],"
    " float64[::1], UniTuple(float64, 3))",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _combine(
    members: npt.NDArray[np.int64],
    n_members: int,
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    estimates: npt.NDArray[np.float64],
    coefficients: npt.NDArray[np.float64],
    beam: tuple[float, float, float],
) -> tuple[float, float]:
    """Return flux [Jy/beam] and variance [rms^2] of the first member, without the others."""
    flux, square = 0.0, 0.0
    for i in range(n_members):
        a = members[i]
        flux += coefficients[i] * estimates[a, 0]
        for j in range(n_members):
            b = members[j]
            shared = estimates[a, 1]
            if i != j:
                shared = gaussian(x[a] - x[b], y[a] - y[b], *beam)
            square += coefficients[i] * coefficients[j] * shared
    return flux, square


@njit(
    "void(float32[:, ::1], float64[::1], float64[::1], float64[::1], int64,"
    " UniTuple(float64, 3), int64[:, ::1], float64[:, ::1], float64[:, ::1], int64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _estimate_all(
    pixels: npt.NDArray[np.float32],
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    background: npt.NDArray[np.float64],
    stride: int,
    beam: tuple[float, float, float],
    corners: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float64],
    estimates: npt.NDArray[np.float64],
    outcome: npt.NDArray[np.int64],
) -> None:
    """Estimate flux and variance of each position as if it had no neighbours."""
    ny, nx = pixels.shape
    size = SIDE * SIDE
    covariances = np.empty((3, size, size))
    fill_covariance(stride, beam, covariances[0])
    covariances[1] = covariances[0]
    factorise(covariances[1], size)
    used, solution = np.empty(size, np.int64), np.empty(size)
    for source in range(x.size):
        at_x, at_y = x[source], y[source]
        if not (-0.5 <= at_x <= nx - 0.5 and -0.5 <= at_y <= ny - 0.5):
            outcome[source] = OUTSIDE
            continue
        corner = (round(at_x) - SIDE // 2 * stride, round(at_y) - SIDE // 2 * stride)
        corners[source, 0], corners[source, 1] = corner
        own = weights[source]
        n_used = list_valid(pixels, corner, stride, used)
        if not weigh(used, n_used, stride, corner, at_x, at_y, beam, covariances, solution, own):
            outcome[source] = BLANK
            continue
        estimates[source, 0], estimates[source, 1] = estimate_alone(
            pixels, background[source], used, n_used, stride, corner, covariances[0], own
        )


@njit(
    "void(float32[:, ::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " int64[:, ::1], int64, float64, float64, float64, float64[::1], float64[::1], int64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def measure_forced(
    pixels: npt.NDArray[np.float32],
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    background: npt.NDArray[np.float64],
    rms: npt.NDArray[np.float64],
    neighbours: npt.NDArray[np.int64],
    n_positions: int,
    beam_a: float,
    beam_b: float,
    beam_c: float,
    flux: npt.NDArray[np.float64],
    flux_err: npt.NDArray[np.float64],
    status: npt.NDArray[np.int64],
) -> None:
    """Estimate the peak flux of a beam-shaped source at each position; it may be negative.

    Each position gets the generalised least-squares estimate from a patch of 5 x 5 pixels,
    spaced so that they lie within the beam, with the beam as the covariance of the noise. How
    neighbours contribute to each other's estimates is known, and a small linear system
    separates them.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    x, y : (n,) float64
        Positions, 0-based [px]: first those to measure, then the other sources near them.
    background, rms : (n,) float64
        At the positions [Jy/beam].
    neighbours : (n, m) int64
        Positions that are measured together with each; -1 ends the list.
    n_positions : int
        Number of positions to measure.
    beam_a, beam_b, beam_c : float
        The beam is exp(-(a dx^2 + 2 b dx dy + c dy^2)) [1/px^2].
    flux, flux_err : (n_positions,) float64
        Out: peak flux and its error [Jy/beam]; NaN unless measured.
    status : (n_positions,) int64
        Out: `MEASURED`, `OUTSIDE`, `BLANK`, or `CONFUSED` with a neighbour.

    References
    ----------
    Aitken (1935), Proc. R. Soc. Edinburgh 55, 42: generalised least squares.
    """
    n = x.size
    beam = (beam_a, beam_b, beam_c)
    stride = stride_of(beam)
    corners, weights = np.empty((n, 2), np.int64), np.zeros((n, SIDE * SIDE))
    estimates, outcome = np.empty((n, 2)), np.full(n, MEASURED)
    _estimate_all(pixels, x, y, background, stride, beam, corners, weights, estimates, outcome)
    n_members_max = neighbours.shape[1] + 1
    members = np.empty(n_members_max, np.int64)
    mixing = np.empty((n_members_max, n_members_max))
    coefficients = np.empty(n_members_max)
    for source in range(n_positions):
        status[source] = outcome[source]
        flux[source], flux_err[source] = np.nan, np.nan
        if outcome[source] != MEASURED:
            continue
        n_members = _list_members(source, neighbours[source], outcome, members)
        if not _separate(
            members, n_members, stride, corners, weights, x, y, beam, mixing, coefficients
        ):
            status[source] = CONFUSED
            continue
        estimate, square = _combine(members, n_members, x, y, estimates, coefficients, beam)
        if square > _MAX_ERROR_GROWTH**2:
            status[source] = CONFUSED
            continue
        flux[source] = estimate
        flux_err[source] = rms[source] * math.sqrt(square)

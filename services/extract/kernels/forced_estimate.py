"""The estimate of forced photometry from a patch of pixels around one position."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from services.extract.kernels.linear import factorise, solve_factorised
from services.extract.kernels.measure import gaussian

__all__ = [
    "NUGGET",
    "SIDE",
    "beam_at",
    "estimate_alone",
    "fill_covariance",
    "list_valid",
    "stride_of",
    "weigh",
]

# Pixels on a side of the sampled patch, and the fraction of white noise that is added to the
# covariance: that of oversampled noise alone is singular within rounding.
SIDE = 5
NUGGET = 1e-3
_LN2 = math.log(2.0)
# Below this fraction of the information of a complete patch a position counts as blank.
_MIN_INFORMATION = 0.5


@njit("int64(UniTuple(float64, 3))", nogil=True, error_model="numpy", cache=True)
def stride_of(beam: tuple[float, float, float]) -> int:
    """Return the spacing of the pixels of a patch: a quarter of the beam's smallest FWHM [px]."""
    middle = (beam[0] + beam[2]) / 2
    steepest = middle + math.hypot((beam[0] - beam[2]) / 2, beam[1])
    return max(1, int(math.sqrt(4 * _LN2 / steepest) / 4))


@njit(
    "void(int64, UniTuple(float64, 3), float64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def fill_covariance(
    stride: int, beam: tuple[float, float, float], out: npt.NDArray[np.float64]
) -> None:
    """Fill the covariance of the noise in the pixels of a patch, 1 [rms^2] on the diagonal."""
    for i in range(SIDE * SIDE):
        for j in range(SIDE * SIDE):
            out[i, j] = gaussian(
                (i % SIDE - j % SIDE) * stride, (i // SIDE - j // SIDE) * stride, *beam
            )
        out[i, i] += NUGGET


@njit(
    "float64(int64, int64, UniTuple(int64, 2), float64, float64, UniTuple(float64, 3))",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def beam_at(
    index: int,
    stride: int,
    corner: tuple[int, int],
    x: float,
    y: float,
    beam: tuple[float, float, float],
) -> float:
    """Return the beam around x, y at a pixel of the patch with this corner (x, y) [px]."""
    return gaussian(
        corner[0] + (index % SIDE) * stride - x, corner[1] + (index // SIDE) * stride - y, *beam
    )


@njit(
    "int64(float32[:, ::1], UniTuple(int64, 2), int64, int64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def list_valid(
    pixels: npt.NDArray[np.float32],
    corner: tuple[int, int],
    stride: int,
    used: npt.NDArray[np.int64],
) -> int:
    """List the pixels of a patch that are in the image and not blank; return their number."""
    ny, nx = pixels.shape
    n_used = 0
    for i in range(SIDE * SIDE):
        column = corner[0] + (i % SIDE) * stride
        row = corner[1] + (i // SIDE) * stride
        if 0 <= column < nx and 0 <= row < ny and not math.isnan(pixels[row, column]):
            used[n_used] = i
            n_used += 1
    return n_used


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _whiten(
    used: npt.NDArray[np.int64],
    n_used: int,
    covariances: npt.NDArray[np.float64],
    vector: npt.NDArray[np.float64],
) -> bool:
    """Solve in place with the covariance of the used pixels; False if it is singular.

    `covariances` is that of a complete patch, its Cholesky factor, and scratch.
    """
    whole, factor, part = covariances[0], covariances[1], covariances[2]
    if n_used == SIDE * SIDE:
        solve_factorised(factor, n_used, vector)
        return True
    for k in range(n_used):
        for other in range(n_used):
            part[k, other] = whole[used[k], used[other]]
    if n_used == 0 or not factorise(part, n_used):
        return False
    solve_factorised(part, n_used, vector)
    return True


@njit(
    "boolean(int64[::1], int64, int64, UniTuple(int64, 2), float64, float64,"
    " UniTuple(float64, 3), float64[:, :, ::1], float64[::1], float64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def weigh(
    used: npt.NDArray[np.int64],
    n_used: int,
    stride: int,
    corner: tuple[int, int],
    x: float,
    y: float,
    beam: tuple[float, float, float],
    covariances: npt.NDArray[np.float64],
    solution: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
) -> bool:
    """Compute the weights of the pixels of a patch; False where too few of them are valid."""
    for k in range(n_used):
        solution[k] = beam_at(used[k], stride, corner, x, y, beam)
    if not _whiten(used, n_used, covariances, solution):
        return False
    information = 0.0
    for k in range(n_used):
        information += solution[k] * beam_at(used[k], stride, corner, x, y, beam)
    if not information > _MIN_INFORMATION:
        return False
    for k in range(n_used):
        weights[used[k]] = solution[k] / information
    return True


@njit(
    "UniTuple(float64, 2)(float32[:, ::1], float64, int64[::1], int64, int64,"
    " UniTuple(int64, 2), float64[:, ::1], float64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def estimate_alone(
    pixels: npt.NDArray[np.float32],
    background: float,
    used: npt.NDArray[np.int64],
    n_used: int,
    stride: int,
    corner: tuple[int, int],
    covariance: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
) -> tuple[float, float]:
    """Return flux [Jy/beam] and variance [rms^2] of a position as if it had no neighbours."""
    total, spread = 0.0, 0.0
    for k in range(n_used):
        i = used[k]
        row = corner[1] + (i // SIDE) * stride
        column = corner[0] + (i % SIDE) * stride
        total += weights[i] * (float(pixels[row, column]) - background)
    for k in range(n_used):
        for other in range(n_used):
            spread += weights[used[k]] * weights[used[other]] * covariance[used[k], used[other]]
    return total, spread

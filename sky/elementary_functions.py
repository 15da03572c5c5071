"""Elementary functions of arrays with the same bits on every processor.

numpy has its own loops for real sines and exponentials on processors with AVX-512, whose last
digit differs from that of others. Its complex functions call the C library for each element.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["arccos", "arcsin", "arctan2", "exp", "sin_cos"]

FloatArray = npt.NDArray[np.float64]
_Values = float | FloatArray

_SCALE = 4.0


def sin_cos(angle_rad: _Values) -> tuple[FloatArray, FloatArray]:
    """Return sine and cosine.

    Parameters
    ----------
    angle_rad : float or float64 array
        Angles [rad].

    Returns
    -------
    sin, cos : two float64 arrays
        Of the same shape; NaN where the angle is not finite.
    """
    values = np.zeros(np.shape(angle_rad), np.complex128)
    values.imag = angle_rad
    with np.errstate(invalid="ignore"):  # the C library reports NaN as an invalid operation
        np.exp(values, out=values)
    return values.imag.copy(), values.real.copy()


def arctan2(y: _Values, x: _Values) -> FloatArray:
    """Return the angle of vectors from the first axis, -pi to pi [rad].

    Parameters
    ----------
    y, x : float or float64 array
        Components; they are broadcast.

    Returns
    -------
    float64 array
        0 or pi for vectors without length, as the sign of `x` is; NaN where one is NaN.
    """
    values = np.empty(np.broadcast_shapes(np.shape(y), np.shape(x)), np.complex128)
    # The angle has the same bits; logarithms of lengths near one take ten times as long.
    np.multiply(x, _SCALE, out=values.real)
    np.multiply(y, _SCALE, out=values.imag)
    with np.errstate(divide="ignore", invalid="ignore"):  # of the logarithm of the length
        np.log(values, out=values)
    return values.imag.copy()


def arcsin(sine: _Values) -> FloatArray:
    """Return the angle of a sine, -pi/2 to pi/2 [rad]; NaN beyond -1 to 1."""
    with np.errstate(invalid="ignore"):
        return arctan2(sine, np.sqrt((1.0 - sine) * (1.0 + sine)))


def arccos(cosine: _Values) -> FloatArray:
    """Return the angle of a cosine, 0 to pi [rad]; NaN beyond -1 to 1."""
    with np.errstate(invalid="ignore"):
        return arctan2(np.sqrt((1.0 - cosine) * (1.0 + cosine)), cosine)


def exp(exponent: _Values) -> FloatArray:
    """Return the exponential function of exponents up to 700; 0 where they are too small."""
    values = np.zeros(np.shape(exponent), np.complex128)
    values.real = exponent
    np.exp(values, out=values)
    return values.real.copy()

"""Columns of numbers as texts, a column at a time."""

import numpy as np
import numpy.typing as npt
import orjson

__all__ = ["to_texts"]

# Between these, Python and orjson write the same digits without an exponent.
_LEAST, _MOST = 1e-4, 1e16


def to_texts(column: npt.NDArray[np.float64] | npt.NDArray[np.int64]) -> list[str]:
    """Return the text that `str` makes of each number, the shortest that means it.

    orjson takes a thirtieth of the time of `str`, and writes other exponents and no NaN.

    Parameters
    ----------
    column : (n,) float64 or int64
        The numbers.
    """
    if not column.size:
        return []
    values = np.ascontiguousarray(column)
    texts = orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].decode().split(",")
    if values.dtype.kind == "f":
        size = np.abs(values)
        is_same = ((size >= _LEAST) & (size < _MOST)) | (values == 0.0)
        for index in np.flatnonzero(~is_same).tolist():
            texts[index] = str(float(values[index]))
    return texts

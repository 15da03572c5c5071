"""Rice coding of whole numbers, as tile-compressed FITS images have it."""

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["encode_rice"]

# Of FITS for numbers of four bytes: bits of the code's number, the largest one, bits of a value.
_CODE_BITS = 5
_PLAIN_CODE = 25
_VALUE_BITS = 32


@njit(nogil=True, error_model="numpy", cache=True)
def _put_bits(out: npt.NDArray[np.uint8], position_bits: int, value: int, n_bits: int) -> int:
    """Append the lowest bits of a value to zeroed bytes, the highest first; return the end."""
    for bit in range(n_bits - 1, -1, -1):
        if (value >> bit) & 1:
            out[position_bits >> 3] |= np.uint8(128 >> (position_bits & 7))
        position_bits += 1
    return position_bits


@njit("int64(int32[::1], int64, uint8[::1])", nogil=True, error_model="numpy", cache=True)
def encode_rice(values: npt.NDArray[np.int32], block: int, out: npt.NDArray[np.uint8]) -> int:
    """Write numbers as differences, block by block in the code that suits it; return the length.

    Parameters
    ----------
    values : (n,) int32
        At least one.
    block : int
        Numbers that share a code [-].
    out : (m,) uint8
        Zeros; 8 bytes a number and 16 more are enough.

    Returns
    -------
    int
        Bytes that were written.

    References
    ----------
    Pence, White & Seaman (2010), PASP 122, 1065; FITS 4.0, section 10.4.1.
    """
    end = _put_bits(out, 0, int(values[0]) & 0xFFFFFFFF, _VALUE_BITS)
    mapped = np.empty(block, np.int64)
    last = np.int64(values[0])
    for start in range(0, values.size, block):
        n = min(block, values.size - start)
        total = 0
        for i in range(n):
            # Differences wrap, as those of a reader of 32 bits do.
            step = (np.int64(values[start + i]) - last) & 0xFFFFFFFF
            if step >= 0x80000000:
                step -= 0x100000000
            mapped[i] = 2 * step if step >= 0 else -2 * step - 1
            total += mapped[i]
            last = np.int64(values[start + i])
        mean = max(0, (total - n // 2 - 1) // n) >> 1
        code = 0
        while mean > 0:
            mean >>= 1
            code += 1
        if code >= _PLAIN_CODE:
            end = _put_bits(out, end, _PLAIN_CODE + 1, _CODE_BITS)
            for i in range(n):
                end = _put_bits(out, end, mapped[i], _VALUE_BITS)
        elif total == 0:
            end = _put_bits(out, end, 0, _CODE_BITS)
        else:
            end = _put_bits(out, end, code + 1, _CODE_BITS)
            for i in range(n):
                end += mapped[i] >> code
                end = _put_bits(out, end, 1, 1)
                end = _put_bits(out, end, mapped[i] & ((1 << code) - 1), code)
    return (end + 7) >> 3

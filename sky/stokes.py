"""Stokes parameters and correlations of receivers, as FITS numbers them."""

__all__ = ["STOKES_BY_CODE", "STOKES_NAMES"]

# FITS 4.0, table 29.
STOKES_BY_CODE = {
    1: "I", 2: "Q", 3: "U", 4: "V", -1: "RR", -2: "LL", -3: "RL", -4: "LR",
    -5: "XX", -6: "YY", -7: "XY", -8: "YX",
}  # fmt: skip
STOKES_NAMES = tuple(STOKES_BY_CODE.values())

"""FITS images as bytes: good ones, and bad ones with their reason codes."""

import io

import numpy as np
from astropy.io import fits

CARDS = {
    "CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CRVAL1": 10.0, "CRVAL2": 20.0,
    "CRPIX1": 32.0, "CRPIX2": 32.0, "CDELT1": -0.01, "CDELT2": 0.01,
    "BMAJ": 0.05, "BMIN": 0.04, "BPA": 0.0, "RESTFRQ": 1.4e9, "DATE-OBS": "2026-01-01T00:00:00",
}  # fmt: skip


def pixels(dtype: str = "f4", shape: tuple[int, ...] = (64, 64)) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 100, shape).astype(dtype)


def make(array: np.ndarray | None = None, *, drop: tuple[str, ...] = (), **cards: object) -> bytes:
    hdu = fits.PrimaryHDU(pixels() if array is None else array)
    for name, value in (CARDS | cards).items():
        if name not in drop:
            hdu.header[name] = value
    return write(fits.HDUList([hdu]))


def with_zero_axis() -> bytes:
    card = "NAXIS1  = {:20d}"
    return make().replace(card.format(64).encode(), card.format(0).encode())


def write(hdus: fits.HDUList) -> bytes:
    buffer = io.BytesIO()
    hdus.writeto(buffer)
    return buffer.getvalue()


def several_images() -> bytes:
    """Return a file with images of two bands, and what must not be measured beside them."""
    plain = {"": {}, "BAND2": {"RESTFRQ": 1.5e9}, "BAND1_RMS": {}, "AGAIN": {}}
    hdus = fits.HDUList()
    for name, cards in plain.items():
        hdu = fits.ImageHDU(pixels(), name=name) if hdus else fits.PrimaryHDU(pixels())
        hdu.header.update(CARDS | cards)
        hdus.append(hdu)
    hdus.append(fits.ImageHDU(np.ones(5, "f4"), name="SPECTRUM"))
    return write(hdus)


# Reason code and bytes.
BAD_IMAGES: list[tuple[str, bytes]] = [
    ("not_fits", b""),
    ("not_fits", b"\x89PNG\r\n" + bytes(4000)),
    ("truncated", make()[:2000]),
    ("truncated", make()[:-4000]),
    ("no_image", write(fits.HDUList([fits.PrimaryHDU()]))),
    ("zero_size", with_zero_axis()),
    ("not_2d", make(pixels(shape=(3, 64, 64)))),
    ("no_beam", make(drop=("BMAJ",))),
    ("bad_beam", make(BMAJ=0.0)),
    ("bad_beam", make(BMIN=-1.0)),
    ("undersampled_beam", make(BMAJ=0.005, BMIN=0.004)),
    ("undersampled_beam", make(PC1_2=360.5)),
    ("oversampled_beam", make(BMAJ=30.0)),
    ("no_frequency", make(drop=("RESTFRQ",))),
    ("bad_frequency", make(RESTFRQ=-5.0)),
    ("bad_unit", make(BUNIT="counts")),
    ("bad_stokes", make(CTYPE3="STOKES", CRVAL3=9.0)),
    ("bad_header", make(BMAJ="wide")),
    ("bad_date", make(**{"DATE-OBS": "2026-01-01"})),
    ("no_date", make(drop=("DATE-OBS",))),
    ("bad_date", make(**{"DATE-OBS": "yesterday"})),
    ("no_wcs", make(drop=("CTYPE1", "CTYPE2"))),
    ("no_wcs", make(CDELT1=0.0)),
    ("all_blank", make(np.full((64, 64), np.nan, "f4"))),
    ("flat", make(np.zeros((64, 64), "f4"))),
    ("infinite_pixels", make(np.where(pixels() > 200, np.inf, pixels()).astype("f4"))),
]  # fmt: skip

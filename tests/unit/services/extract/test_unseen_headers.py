"""Images with headers that a seed draws: the reader means what astropy and wcslib mean.

Projection, frame, matrix, units, order of the axes, spectral axis, time scale, beam and brightness
are drawn independently, so most of these headers are none that a known writer makes.
"""

import io
import math
import re
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame

from services.extract.models import Image
from services.extract.steps.image import open_image
from tests.support.examples import every_fifth

Cards = dict[str, Any]
SIZE = 48
N_SEEDS = 120
STEP_DEG = 0.02
HI_HZ = 1_420_405_751.786
# The axes of the sky are L (longitude) and B (latitude); F and S are one pixel long.
ORDERS = ("LBFS", "BLFS", "LBSF", "FLBS", "SFLB", "LFBS", "FSBL", "LFSB", "LBF", "FLB")
# With the parameters on the axis of the latitude.
PROJECTIONS: dict[str, dict[int, float]] = {
    "SIN": {}, "TAN": {}, "ARC": {}, "ZEA": {}, "STG": {}, "NCP": {}, "GLS": {}, "SFL": {},
    "CAR": {}, "AIT": {}, "MER": {}, "CEA": {1: 0.8}, "HPX": {1: 4, 2: 3}, "ZPN": {1: 1, 3: 0.01},
    "AZP": {1: 2, 2: 10}, "SZP": {1: 2, 2: 180, 3: 60}, "BON": {1: 30}, "COE": {1: 45, 2: 5},
}  # fmt: skip
# Those that any LONPOLE fits.
ZENITHAL = ("SIN", "TAN", "ARC", "ZEA", "STG", "ZPN", "AZP", "SZP")
FRAMES: tuple[Cards, ...] = (
    {}, {"RADESYS": "ICRS"}, {"RADESYS": "FK5", "EQUINOX": 2010.5}, {"RADESYS": "FK4"},
    {"EPOCH": 1950.0}, {"RADESYS": "FK4-NO-E", "EQUINOX": 1950.0}, {"RADECSYS": "FK5"},
)  # fmt: skip
SKIES = (("RA--", "DEC-"), ("GLON", "GLAT"), ("ELON", "ELAT"))
ANGLES = {"deg": 1.0, "arcsec": 3600.0, "arcmin": 60.0, "rad": math.pi / 180, "mas": 3.6e6}
SPECTRA = (
    ("FREQ", 1.4e9, 1e6, "Hz"), ("FREQ-LSR", 1.4, 1e-3, "GHz"), ("FREQ-LOG", 1.4e9, 1e6, "Hz"),
    ("VRAD", 90.0, 2.0, "km/s"), ("VOPT-F2W", 9e4, 2e3, "m/s"), ("FELO-HEL", 9e4, -2e3, "m/s"),
    ("VELO", 9e4, 2e3, "m/s"), ("ZOPT", 0.01, 1e-4, ""), ("WAVE", 21.4, 0.01, "cm"),
    ("AWAV", 0.21, 1e-4, "m"), ("WAVN", 4.7, 0.01, "m-1"), ("ENER", 5.8e-6, 1e-9, "eV"),
    ("BETA", 0.01, 1e-4, ""), ("WAVE-F2W", 0.21, 1e-3, "m"),
)  # fmt: skip
# Days with a leap second at their end, and others.
DAYS = (50_448, 54_831, 57_203, 57_753, 60_374)
SCALES = ("UTC", "TAI", "TT", "TDB", "TCB", "TCG", "UT1")
# To Jy of astropy, per this solid angle.
BRIGHTNESS = ("Jy/beam", "mJy beam-1", "uJy/beam", "K", "mK", "MJy/sr", "Jy/arcsec2", "Jy/pixel")
MATRIX = re.compile(r"CD\d_\d")


def pick(rng: np.random.Generator, choices: Any) -> Any:
    return choices[rng.integers(len(choices))]


def draw_header(rng: np.random.Generator) -> fits.Header:
    order = pick(rng, ORDERS)
    longitude, latitude = order.index("L") + 1, order.index("B") + 1
    cards = draw_sky(rng, longitude, latitude) | draw_time(rng)
    ctype, value, step, unit = pick(rng, SPECTRA)
    plane = {"CTYPE": ctype, "CRVAL": value, "CDELT": step, "CUNIT": unit,
             "CRPIX": pick(rng, (1.0, 3.0, -2.5))}  # fmt: skip
    cards |= {f"{name}{order.index('F') + 1}": each for name, each in plane.items()}
    if "S" in order:
        code = {
            "CTYPE": "STOKES",
            "CRVAL": 1.0,
            "CDELT": 1.0,
            "CRPIX": pick(rng, (1.0, 0.0, -1.0)),
        }
        cards |= {f"{name}{order.index('S') + 1}": each for name, each in code.items()}
    cards |= {
        "BMAJ": 0.11 + 0.02 * rng.random(), "BMIN": 0.08 + 0.02 * rng.random(),
        "BPA": 170 * rng.random(), "BUNIT": pick(rng, BRIGHTNESS), "RESTFRQ": HI_HZ,
    }  # fmt: skip
    if any(MATRIX.match(name) for name in cards):
        cards |= {
            f"CD{n}_{n}": cards[f"CDELT{n}"] for n, axis in enumerate(order, 1) if axis in "FS"
        }
    return fits.Header(list(cards.items()))


def draw_sky(rng: np.random.Generator, longitude: int, latitude: int) -> Cards:
    projection, angle = pick(rng, tuple(PROJECTIONS)), pick(rng, tuple(ANGLES))
    names = pick(rng, SKIES)
    scale = ANGLES[angle]
    # Near the fiducial point of the projections that have it on the equator.
    values = (360 * rng.random(), rng.uniform(20, 60))
    cards: Cards = dict(pick(rng, FRAMES)) if names == SKIES[0] else {}
    for axis, name, value, sign in zip((longitude, latitude), names, values, (-1, 1), strict=True):
        cards |= {
            f"CTYPE{axis}": f"{name}-{projection}", f"CRVAL{axis}": value * scale,
            f"CRPIX{axis}": rng.uniform(10, 40), f"CDELT{axis}": sign * STEP_DEG * scale,
            f"CUNIT{axis}": angle,
        }  # fmt: skip
    cards |= {f"PV{latitude}_{m}": value for m, value in PROJECTIONS[projection].items()}
    if projection == "SIN" and rng.random() < 0.5:
        cards |= {f"PV{latitude}_1": rng.uniform(-0.2, 0.2), f"PV{latitude}_2": 0.1}
    if projection in ZENITHAL and rng.random() < 0.4:
        cards["LONPOLE"] = rng.uniform(100, 200)
    return cards | draw_matrix(rng, cards, longitude, latitude)


def draw_matrix(rng: np.random.Generator, cards: Cards, longitude: int, latitude: int) -> Cards:
    turn = math.radians(rng.uniform(-60, 60))
    kind = pick(rng, ("none", "CROTA", "PC", "PC00", "CD and CDELT"))
    if kind == "none":
        return {}
    if kind == "CROTA":
        return {f"CROTA{latitude}": math.degrees(turn)}
    cosine, sine = math.cos(turn), math.sin(turn)
    rotation = {
        (longitude, longitude): cosine, (longitude, latitude): -sine,
        (latitude, longitude): sine, (latitude, latitude): cosine,
    }  # fmt: skip
    if kind.startswith("PC"):
        spelling = "PC{}_{}" if kind == "PC" else "PC00{}00{}"
        return {spelling.format(*pair): value for pair, value in rotation.items()}
    # CDELT beside a CD matrix says nothing: FITS 4.0, section 8.1.2. The other axes follow.
    return {
        f"CD{row}_{column}": value * cards[f"CDELT{row}"]
        for (row, column), value in rotation.items()
    }


def draw_time(rng: np.random.Generator) -> Cards:
    scale, fraction = pick(rng, SCALES), round(rng.random(), 10)
    day = pick(rng, DAYS)
    text = Time(day, fraction, format="mjd", scale="tai", precision=6).isot
    kind = pick(rng, ("DATE-OBS", "DATE-BEG", "old", "TSTART", "MJD-OBS", "DATE-AVG"))
    cards: Cards = {"TIMESYS": scale, "EXPTIME": 16.0}
    if kind == "TSTART":
        # In UTC an elapsed time counts leap seconds; see the tests of dates.
        return cards | {"MJDREFI": day, "MJDREFF": fraction, "TSTART": 0.0}
    if kind == "MJD-OBS":
        # Days of UTC with a leap second have no agreed fraction.
        return cards | {"MJD-OBS": day + fraction, "TIMESYS": "TAI"}
    if kind == "old":
        return cards | {"DATE-OBS": text[:10], "TIME-OBS": text[11:]}
    return cards | {kind: text}


def start_of(header: fits.Header) -> Time:
    scale = header["TIMESYS"].lower()
    if "MJDREFI" in header:
        text = Time(header["MJDREFI"], header["MJDREFF"], format="mjd", scale="tai", precision=9)
        return Time(text.isot, scale=scale)
    if "MJD-OBS" in header:
        return Time(header["MJD-OBS"], format="mjd", scale=scale)
    if "TIME-OBS" in header:
        return Time(f"{header['DATE-OBS']}T{header['TIME-OBS']}", scale=scale)
    if "DATE-AVG" in header:
        return Time(header["DATE-AVG"], scale=scale) - header["EXPTIME"] / 2 * units.s
    return Time(header.get("DATE-OBS") or header["DATE-BEG"], scale=scale)


def to_image(header: fits.Header, rng: np.random.Generator) -> tuple[Image, np.ndarray]:
    """Return the image as the reader has it, and its pixels as they were written."""
    n_axes = sum(name.startswith("CTYPE") for name in header)
    shape = [SIZE if n in sky_axes(header) else 1 for n in range(1, n_axes + 1)]
    pixels = rng.normal(size=shape[::-1]).astype("f4")
    buffer = io.BytesIO()
    fits.PrimaryHDU(pixels, header).writeto(buffer)
    return open_image(buffer.getvalue(), {}), pixels.reshape(SIZE, SIZE)


def sky_axes(header: fits.Header) -> list[int]:
    starts = tuple(name for pair in SKIES for name in pair)
    return [n for n in range(1, 5) if str(header.get(f"CTYPE{n}", "")).startswith(starts)]


def icrs_of(header: fits.Header, x: np.ndarray, y: np.ndarray) -> SkyCoord:
    wcs = WCS(header).celestial
    world = wcs.wcs_pix2world(np.stack([x, y], -1), 0)
    lng, lat = world[:, wcs.wcs.lng] * units.deg, world[:, wcs.wcs.lat] * units.deg
    return SkyCoord(lng, lat, frame=wcs_to_celestial_frame(wcs)).icrs


def frequency_of(header: fits.Header) -> float:
    # `sptr` of wcslib applies a CD matrix twice; CDELT of this axis says the same.
    kept = [card for card in header.cards if not MATRIX.match(card.keyword)]
    wcs = WCS(fits.Header(kept)).sub(["spectral"])
    if not wcs.wcs.ctype[0].startswith("FREQ"):
        wcs.wcs.sptr("FREQ-???")
    return float(wcs.wcs.p2s([[1.0]], 1)["world"][0, 0])


def jy_beam_of(header: fits.Header, freq_hz: float, pixel_sr: float) -> float:
    """Return what makes Jy/beam of the pixels, as astropy's units have it."""
    beam_deg2 = math.pi / (4 * math.log(2)) * header["BMAJ"] * header["BMIN"]
    beam = beam_deg2 * units.deg**2
    unit = units.Unit(header["BUNIT"])
    if "beam" in header["BUNIT"]:
        return float(unit.to(units.Jy / units.beam))
    if "pixel" in header["BUNIT"]:
        return float(beam.to_value(units.sr) / pixel_sr)
    if unit.physical_type == "temperature":
        rayleigh_jeans = units.brightness_temperature(freq_hz * units.Hz, beam)
        return float((1 * unit).to_value(units.Jy / units.beam, rayleigh_jeans))
    return float((unit * beam).to_value(units.Jy))


# wcslib tells which cards it reads as their writer meant them.
@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
@pytest.mark.parametrize("seed", every_fifth(range(N_SEEDS)))
def test_a_drawn_header_means_what_astropy_and_wcslib_mean(seed: int) -> None:
    rng = np.random.default_rng([20_261_128, seed])
    header = draw_header(rng)
    image, pixels = to_image(header, rng)
    x, y = rng.uniform(0, SIZE, (2, 20))
    ra, dec = image.projection.to_sky(x, y)
    expected = icrs_of(header, x, y)
    apart = SkyCoord(ra * units.deg, dec * units.deg).separation(expected).arcsec
    assert np.all(apart < 1e-6), header
    read = image.metadata
    assert read.freq_eff_hz == pytest.approx(frequency_of(header), rel=1e-10)
    start = Time(read.time_start.replace(tzinfo=None), scale="utc")
    assert abs((start - start_of(header)).sec) < 1e-3, header
    assert read.exposure_s == header["EXPTIME"]
    beam = read.beam_major_deg, read.beam_minor_deg, read.beam_pa_deg % 180
    assert beam == pytest.approx((header["BMAJ"], header["BMIN"], header["BPA"]))
    assert read.stokes == stokes_of(header)
    pixel_sr = math.radians(image.projection.pixel_scale_deg((SIZE, SIZE))) ** 2
    factor = jy_beam_of(header, read.freq_eff_hz, pixel_sr)
    np.testing.assert_allclose(image.pixels, pixels * factor, rtol=3e-5)


def stokes_of(header: fits.Header) -> str:
    axis = next((n for n in range(1, 5) if header.get(f"CTYPE{n}") == "STOKES"), None)
    return "I" if axis is None else "IQUV"[round(1 - header[f"CRPIX{axis}"])]

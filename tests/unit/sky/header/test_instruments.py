"""Headers as telescopes and their imagers write them: each is read as its authors mean it.

The cards are those of public images: file headers of data releases, or the writers' sources.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from astropy.io.fits import Header

from sky.header.brightness import beam_area_sr
from sky.header.celestial import to_wcs_header
from sky.header.errors import HeaderError
from sky.metadata import HeaderMetadata, read_metadata
from sky.wcs import SkyProjection

LIGHT_M_S = 299_792_458.0
SKY = {
    "NAXIS1": 1000, "NAXIS2": 1000, "CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CRVAL1": 150.0,
    "CRVAL2": -30.0, "CRPIX1": 500.0, "CRPIX2": 500.0, "CDELT1": -0.001, "CDELT2": 0.001,
}  # fmt: skip
BEAM = {"BMAJ": 0.005, "BMIN": 0.004, "BPA": 30.0}


@dataclass(frozen=True)
class Case:
    """Cards on top of `SKY` and `BEAM` (None: without it), and what they mean."""

    name: str
    cards: dict[str, object]
    freq_hz: float
    time: str
    exposure_s: float = 0.0
    bandwidth_hz: float = 0.0
    stokes: str = "I"
    beam: tuple[float, float, float] = (0.005, 0.004, 30.0)
    # To Jy/beam.
    factor: float = 1.0
    position: tuple[float, float] = (150.0, -30.0)
    history: tuple[str, ...] = field(default=())


def axis(
    number: int, ctype: str, value: float, step: float = 1.0, *, pixel: float = 1.0, unit: str = ""
) -> dict[str, object]:
    names = {"CTYPE": ctype, "CRVAL": value, "CRPIX": pixel, "CDELT": step}
    if unit:
        names["CUNIT"] = unit
    return {f"{name}{number}": each for name, each in names.items()}


def stokes(number: int, code: float = 1.0, **more: float) -> dict[str, object]:
    return axis(number, "STOKES", code, **more)


CASES = [
    Case(
        "ASKAP, ASKAPsoft",
        {"BUNIT": "Jy/beam", "DATE-OBS": "2019-08-27T18:52:00.352", "TIMESYS": "UTC",
         "DURATION": 719.5, "TELESCOP": "ASKAP", "RESTFRQ": 8.875e8, "SPECSYS": "TOPOCENT",
         **stokes(3), **axis(4, "FREQ", 8.874907407407e8, 2.88e8, unit="Hz")},
        8.874907407407e8, "2019-08-27T18:52:00.352", 719.5, 2.88e8,
    ),
    Case(
        "MeerKAT, CASA tclean",
        {"BUNIT": "Jy/beam", "BTYPE": "Intensity", "DATE-OBS": "2021-03-14T15:09:26.535897",
         "TIMESYS": "UTC", "TELESCOP": "MeerKAT", "RESTFRQ": 1.283895507812e9, "VELREF": 257,
         "RADESYS": "ICRS", "LATPOLE": -30.0, "LONPOLE": 180.0,
         "PC1_1": 1.0, "PC2_1": 0.0, "PC3_3": 1.0, "PC4_4": 1.0,
         **stokes(3), **axis(4, "FREQ", 1.283895507812e9, 8.56e8, unit="Hz")},
        1.283895507812e9, "2021-03-14T15:09:26.535897", bandwidth_hz=8.56e8,
    ),
    Case(
        "MeerKAT, WSClean",
        {"BUNIT": "JY/BEAM", "DATE-OBS": "2019-07-12T02:10:05.1", "TELESCOP": "MeerKAT",
         "ORIGIN": "WSClean", "SPECSYS": "TOPOCENT", "WSCNITER": 1000.0,
         **axis(3, "FREQ", 1.2839861e9, 8.5579e8, unit="Hz"), **stokes(4)},
        1.2839861e9, "2019-07-12T02:10:05.1", bandwidth_hz=8.5579e8,
    ),
    Case(
        "KAT-7, AIPS with the beam in HISTORY",
        {"BUNIT": "JY/BEAM", "DATE-OBS": "2013-07-01T03:04:05.5", "TELESCOP": "KAT-7",
         "BMAJ": None, "BMIN": None, "BPA": None, "EQUINOX": 2000.0, "EPOCH": 2000.0,
         "VELREF": 3, "RESTFREQ": 0.0, "ALTRVAL": 0.0,
         **axis(3, "FREQ", 1.822e9, 2.3e8), **stokes(4)},
        1.822e9, "2013-07-01T03:04:05.5", bandwidth_hz=2.3e8, beam=(0.055, 0.048, -12.5),
        history=("AIPS   CLEAN BMAJ=  5.5000E-02 BMIN=  4.8000E-02 BPA= -12.50",),
    ),
    Case(
        "VLA, AIPS IMAGR, the frequency in another pixel",
        {"BUNIT": "JY/BEAM", "DATE-OBS": "2004-11-05", "MJD-OBS": 53314.0625, "TELESCOP": "VLA",
         "EPOCH": 2000.0, **axis(3, "FREQ", 4.8851e9, 5e7, pixel=2.0), **stokes(4)},
        4.8351e9, "2004-11-05T01:30:00", bandwidth_hz=5e7,
    ),
    Case(
        "VLA before 1992: B1950 in EPOCH, and the date of the last century",
        {"BUNIT": "JY/BEAM", "DATE-OBS": "05/11/88", "TIME-OBS": "13:14:15", "EPOCH": 1950.0,
         "TELESCOP": "VLA", **axis(3, "FREQ", 1.465e9, 5e7), **stokes(4)},
        1.465e9, "1988-11-05T13:14:15", bandwidth_hz=5e7, position=(150.560512, -30.241809),
    ),
    Case(
        "VLASS quick look",
        {"BUNIT": "Jy/beam", "DATE-OBS": "2019-05-04T01:12:55.400000", "TIMESYS": "UTC",
         "TELESCOP": "EVLA", "RESTFRQ": 2.987741489322e9, "SPECSYS": "LSRK", "VELREF": 257,
         **axis(3, "FREQ", 2.987741489322e9, 2.048e9, unit="Hz"), **stokes(4)},
        2.987741489322e9, "2019-05-04T01:12:55.4", bandwidth_hz=2.048e9,
    ),
    Case(
        "VLITE: exposure and epoch of the first sample",
        {"BUNIT": "JY/BEAM", "DATE-OBS": "2019-03-21T04:05:06.0", "TAU_TIME": 1800.0,
         "TELESCOP": "VLA", **axis(3, "FREQ", 3.4e8, 3.8e7), **stokes(4)},
        3.4e8, "2019-03-21T04:05:06", 1800.0, 3.8e7,
    ),
    Case(
        "GMRT, SPAM",
        {"BUNIT": "Jy/beam", "DATE-OBS": "2011-01-12T20:15:30.0", "TELESCOP": "GMRT",
         **stokes(3), **axis(4, "FREQ", 1.4775e8, 1.67e7, unit="HZ")},
        1.4775e8, "2011-01-12T20:15:30", bandwidth_hz=1.67e7,
    ),
    Case(
        "uGMRT, Stokes RR",
        {"BUNIT": "mJy/beam", "DATE-OBS": "2020-12-31T23:59:59.9", "TELESCOP": "GMRT",
         **axis(3, "FREQ", 650.0, 200.0, unit="MHz"), **stokes(4, -1.0, step=-1.0)},
        6.5e8, "2020-12-31T23:59:59.9", bandwidth_hz=2e8, stokes="RR", factor=1e-3,
    ),
    Case(
        "MWA, WSClean at the zenith",
        {"BUNIT": "JY/BEAM", "DATE-OBS": "2018-06-04T12:00:07.0", "TELESCOP": "MWA",
         "PV2_1": 0.0, "PV2_2": 0.0, "RADESYS": "FK5", "EQUINOX": 2000.0,
         **axis(3, "FREQ", 1.854e8, 3.072e7, unit="Hz"), **stokes(4)},
        1.854e8, "2018-06-04T12:00:07", bandwidth_hz=3.072e7,
    ),
    Case(
        "MWA GLEAM-X: only the middle of the exposure",
        {"BUNIT": "Jy/beam", "DATE-AVG": "2020-10-05T10:01:00.0", "EXPTIME": 120.0,
         "TELESCOP": "MWA", **axis(3, "FREQ", 2.0e8, 3.0e7, unit="Hz")},
        2.0e8, "2020-10-05T10:00:00", 120.0, 3.0e7,
    ),
    Case(
        "LOFAR, AWImager: the band is in RESTFRQ",
        {"BUNIT": "JY/BEAM", "DATE-OBS": "2013-02-11T00:10:00.05", "TELESCOP": "LOFAR",
         "RESTFRQ": 1.4e8, "RESTBW": 7.8125e6, "END_UTC": "2013-02-11T00:21:00.05",
         "TIMESYS": "UTC", "VELREF": 257, **axis(3, "FREQ", 1.5e8, 1.953125e5, unit="Hz"),
         **stokes(4)},
        1.4e8, "2013-02-11T00:10:00.05", 660.0, 7.8125e6,
    ),
    Case(
        "LOFAR, DDFacet without a rest frequency",
        {"BUNIT": "JY/BEAM", "DATE-OBS": "2016-04-01T22:00:00.0", "TELESCOP": "LOFAR",
         **stokes(3), **axis(4, "FREQ", 1.4366e8, 4.8e7, unit="Hz")},
        1.4366e8, "2016-04-01T22:00:00", bandwidth_hz=4.8e7,
    ),
    Case(
        "AARTFAAC: 6:1 beam of a snapshot, Stokes at its pixel",
        {"BUNIT": "Jy/beam", "DATE-OBS": "2016-11-06T14:03:02.0", "EXPOSURE": 1.0,
         "TELESCOP": "AARTFAAC", "BMAJ": 0.6, "BMIN": 0.1, "BPA": 170.0,
         **axis(3, "FREQ", 6.0166e7, 1.5e6), **stokes(4, 4.0, pixel=4.0)},
        6.0166e7, "2016-11-06T14:03:02", 1.0, 1.5e6, beam=(0.6, 0.1, -10.0),
    ),
    Case(
        "AMI-LA, AIPS: circular by rounding, BPA left out",
        {"BUNIT": "JY/BEAM", "DATE-OBS": "2013-05-04", "UT": "05:06:07.8", "TELESCOP": "AMI",
         "BMAJ": 0.00800001, "BMIN": 0.008, "BPA": None,
         **axis(3, "FREQ", 1.5375e10, 3.75e9), **stokes(4)},
        1.5375e10, "2013-05-04T05:06:07.8", bandwidth_hz=3.75e9, beam=(0.008, 0.008, 0.0),
    ),
    Case(
        "ATCA, Miriad: a radio velocity axis",
        {"BUNIT": "JY/BEAM", "DATE-OBS": "2014-01-02T03:04:05.6", "TELESCOP": "ATCA",
         "RESTFREQ": 1.420405752e9, "BMAJ": None, "BMIN": None, "BPA": None,
         **axis(3, "VELO-LSR", 1.0e5, 4.0e3, unit="m/s"), "VELREF": 257, **stokes(4)},
        1.420405752e9 * (1 - 1e5 / LIGHT_M_S), "2014-01-02T03:04:05.6",
        bandwidth_hz=1.420405752e9 * 4e3 / LIGHT_M_S, beam=(3.6 / 3600, 1.8 / 3600, 45.0),
        history=("RESTOR: Using gaussian beam fwhm of 3.60 by 1.80 arcsec.",
                 "RESTOR: Position angle: 45.0"),
    ),
    Case(
        "WSRT, GIPSY: a frequency in MHz and B1950 in EQUINOX",
        {"BUNIT": "MJy/sr", "DATE-OBS": "1999-07-01T01:02:03", "TELESCOP": "WSRT",
         "CTYPE1": "RA---NCP", "CTYPE2": "DEC--NCP", "CRVAL2": 60.0, "EQUINOX": 1950.0,
         **axis(3, "FREQ", 1412.0, 10.0, unit="MHz")},
        1.412e9, "1999-07-01T01:02:03", bandwidth_hz=1e7,
        factor=1e6 * beam_area_sr(0.005, 0.004), position=(150.877291, 59.757905),
    ),
    Case(
        "Apertif: TAI",
        {"BUNIT": "Jy/beam", "DATE-OBS": "2020-01-01T00:00:37.0", "TIMESYS": "TAI",
         "TELESCOP": "WSRT", **axis(3, "FREQ", 1.3551e9, 1.5e8, unit="Hz")},
        1.3551e9, "2020-01-01T00:00:00", bandwidth_hz=1.5e8,
    ),
    Case(
        "e-MERLIN: TDB in CASA, and an MJD with the same instant",
        {"BUNIT": "Jy/beam", "DATE-OBS": "2020-01-01T00:01:09.184", "TIMESYS": "TT",
         "MJD-OBS": 58849.00080074, "TELESCOP": "e-MERLIN",
         **axis(3, "FREQ", 5.07, 0.512, unit="GHz")},
        5.07e9, "2020-01-01T00:00:00", bandwidth_hz=5.12e8,
    ),
    Case(
        "GPS time, as correlators write",
        {"BUNIT": "Jy/beam", "DATE-OBS": "2020-01-01T00:00:18.0", "TIMESYS": "GPS",
         **axis(3, "FREQ", 7.0e7, 5e6, unit="Hz"), "TELESCOP": "LWA1"},
        7.0e7, "2020-01-01T00:00:00", bandwidth_hz=5e6,
    ),
    Case(
        "a leap second",
        {"BUNIT": "Jy/beam", "DATE-OBS": "2016-12-31T23:59:60.5", "TIMESYS": "UTC",
         **axis(3, "FREQ", 7.0e7, 5e6, unit="Hz")},
        7.0e7, "2017-01-01T00:00:00.5", bandwidth_hz=5e6,
    ),
    Case(
        "NRAO's old spellings of TAI and the date with its MJD in a string",
        {"BUNIT": "Jy/bm", "DATE-OBS": "2020-01-01T00:00:37", "TIMESYS": "IAT", "DATE-END":
         "2020-01-01T00:10:37", **axis(3, "FREQ", 7.0e7, 5e6, unit="Hz")},
        7.0e7, "2020-01-01T00:00:00", 600.0, 5e6,
    ),
    Case(
        "ALMA, a wavelength axis and brightness temperature",
        {"BUNIT": "K", "DATE-OBS": "2022-02-02T02:02:02.2", "TELESCOP": "ALMA",
         **axis(3, "WAVE", 1.3e-3, 1e-6, unit="m")},
        LIGHT_M_S / 1.3e-3, "2022-02-02T02:02:02.2", bandwidth_hz=LIGHT_M_S * 1e-6 / 1.3e-3**2,
        factor=2 * 1.380649e-23 / 1.3e-3**2 * beam_area_sr(0.005, 0.004) * 1e26,
    ),
    Case(
        "an optical velocity of FITS 3",
        {"BUNIT": "uJy/beam", "DATE-OBS": "2022-02-02T02:02:02.2", "RESTFRQ": 1.420405752e9,
         **axis(3, "VOPT", 2.0e6, unit="m/s"), "CDELT3": 0.0},
        1.420405752e9 / (1 + 2e6 / LIGHT_M_S), "2022-02-02T02:02:02.2", factor=1e-6,
    ),
    Case(
        "SIP with coefficients of a mosaic, and PC001001",
        {"BUNIT": "Jy beam^-1", "DATE-OBS": "2022-02-02T02:02:02.2", "CTYPE1": "RA---TAN-SIP",
         "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-6, "B_0_2": -1e-6,
         "PC001001": 1.0, "PC001002": 0.0, "PC002001": 0.0, "PC002002": 1.0,
         **axis(3, "FREQ", 1.4e9, 5e6, unit="Hz")},
        1.4e9, "2022-02-02T02:02:02.2", bandwidth_hz=5e6,
    ),
    Case(
        "a CD matrix for all axes, as SAOImage and SWarp leave it",
        {"BUNIT": "Jy/pixel", "DATE-OBS": "2022-02-02T02:02:02.2", "CDELT1": None, "CDELT2": None,
         "CD1_1": -0.001, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 0.001, "CD3_3": 2e6, "CD4_4": 1.0,
         **axis(3, "FREQ", 1.4e9, pixel=3.0, unit="Hz"), "CDELT3": None,
         **stokes(4, 2.0, pixel=2.0), "CDELT4": None},
        1.396e9, "2022-02-02T02:02:02.2", bandwidth_hz=2e6,
        factor=beam_area_sr(0.005, 0.004) / np.radians(0.001) ** 2,
    ),
    Case(
        "Galactic coordinates of a survey",
        {"BUNIT": "Jy/beam", "DATE-OBS": "2022-02-02T02:02:02.2", "CTYPE1": "GLON-CAR",
         "CTYPE2": "GLAT-CAR", "CRVAL1": 120.0, "CRVAL2": 0.0,
         **axis(3, "FREQ", 1.4e9, 5e6, unit="Hz")},
        1.4e9, "2022-02-02T02:02:02.2", bandwidth_hz=5e6, position=(6.450831, 62.725727),
    ),
    Case(
        "a 2-D cut-out keeps the cards of its axes; axes swapped by a cut-out service",
        {"BUNIT": "Jy/beam", "DATE-OBS": "2022-02-02T02:02:02.2", "NAXIS": 2, "BMAJ": 0.004,
         "BMIN": 0.005, "BPA": 20.0, **stokes(3, 1.0), **axis(4, "FREQ", 8.875e8, 2.88e8)},
        8.875e8, "2022-02-02T02:02:02.2", bandwidth_hz=2.88e8, beam=(0.005, 0.004, -70.0),
    ),
    Case(
        "the plane of a Stokes cube, offset by its reference pixel",
        {"BUNIT": "Jy/beam", "DATE-OBS": "2022-02-02T02:02:02.2",
         **axis(3, "FREQ", 1.4e9, 5e6, unit="Hz"), **stokes(4, 1.0, pixel=-2.0)},
        1.4e9, "2022-02-02T02:02:02.2", bandwidth_hz=5e6, stokes="V",
    ),
    Case(
        "linear feeds",
        {"BUNIT": "Jy/beam", "DATE-OBS": "2022-02-02T02:02:02.2",
         **axis(3, "FREQ", 1.4e9, 5e6, unit="Hz"), **stokes(4, -6.0, step=-1.0)},
        1.4e9, "2022-02-02T02:02:02.2", bandwidth_hz=5e6, stokes="YY",
    ),
    Case(
        "a date with a zone, and DATE-BEG finer than DATE-OBS",
        {"BUNIT": "Jy/beam", "DATE-OBS": "2022-02-02", "DATE-BEG": "2022-02-02T10:00:00+08:00",
         "XPOSURE": 60.0, **axis(3, "FREQ", 1.4e9, 5e6, unit="Hz")},
        1.4e9, "2022-02-02T02:00:00", 60.0, 5e6,
    ),
    Case(
        "NRAO 2020s: an effective exposure of a mosaic, shorter than its elapsed time",
        {"BUNIT": "Jy/beam", "DATE-OBS": "2022-02-02T02:02:02", "TELAPSE": 900.0,
         "DATE-END": "2022-02-02T02:17:02", **axis(3, "FREQ", 1.4e9, 5e6, unit="Hz")},
        1.4e9, "2022-02-02T02:02:02", 900.0, 5e6,
    ),
]  # fmt: skip


def header_of(case: Case) -> Header:
    header = Header()
    for name, value in (SKY | BEAM | case.cards).items():
        if value is not None:
            header[name] = value
    for line in case.history:
        header["HISTORY"] = line
    return header


def separation_arcsec(one: tuple[float, float], other: tuple[float, float]) -> float:
    (ra1, dec1), (ra2, dec2) = np.radians(one), np.radians(other)
    return float(np.degrees(np.hypot((ra1 - ra2) * np.cos(dec1), dec1 - dec2)) * 3600)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_header_is_read_as_its_telescope_means_it(case: Case) -> None:
    header = header_of(case)
    found = read_metadata(header)
    assert found.freq_eff_hz == pytest.approx(case.freq_hz, rel=1e-9)
    assert found.freq_bw_hz == pytest.approx(case.bandwidth_hz, rel=1e-3)
    time = datetime.fromisoformat(case.time).replace(tzinfo=UTC)
    assert abs(found.time_start - time) < timedelta(milliseconds=2)
    assert found.exposure_s == pytest.approx(case.exposure_s, abs=1e-3)
    assert found.stokes == case.stokes
    beam = (found.beam_major_deg, found.beam_minor_deg, found.beam_pa_deg)
    assert beam == pytest.approx(case.beam, rel=1e-4, abs=1e-9)
    assert factor_of(found) == pytest.approx(case.factor, rel=1e-3)
    projection = SkyProjection.of(to_wcs_header(header))
    (ra,), (dec,) = projection.to_sky(np.array([499.0]), np.array([499.0]))
    assert separation_arcsec((ra, dec), case.position) < 1.0


def factor_of(found: HeaderMetadata) -> float:
    return found.unit.to_jy_beam(
        freq_hz=found.freq_eff_hz,
        beam_sr=beam_area_sr(found.beam_major_deg, found.beam_minor_deg),
        pixel_sr=np.radians(0.001) ** 2,
    )


@pytest.mark.parametrize(
    ("code", "cards"),
    [
        ("bad_unit", {"BUNIT": "Jy/beam.km/s"}),
        ("bad_unit", {"BUNIT": "Jy beam-1 km s-1"}),
        ("bad_unit", {"BUNIT": "MJY/BEAM"}),
        ("bad_date", {"TIMESYS": "LST"}),
        ("bad_date", {"DATE-OBS": "2022-02-30T00:00:00"}),
        ("bad_date", {"DATE-OBS": "2022-02-02T25:00:00"}),
        ("bad_stokes", {"CTYPE4": "STOKES", "CRVAL4": 1.5}),
        ("bad_stokes", {"CTYPE4": "STOKES", "CRVAL4": 0.0}),
        ("bad_frequency", {"CUNIT3": "kHz", "CRVAL3": 1e-3}),
        ("no_frequency", {"CTYPE3": "VRAD", "CRVAL3": 1e5, "CUNIT3": "m/s"}),
    ],
)
def test_what_has_no_meaning_is_refused_by_name(code: str, cards: dict[str, object]) -> None:
    good = {"BUNIT": "Jy/beam", "DATE-OBS": "2022-02-02T02:02:02.2", **axis(3, "FREQ", 1.4e9)}
    with pytest.raises(HeaderError) as refused:
        read_metadata(header_of(Case("", good | cards, 0.0, "")))
    assert refused.value.code == code

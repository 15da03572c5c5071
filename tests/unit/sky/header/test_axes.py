"""Frequency, Stokes parameter and beam of an image, in all their spellings."""

from collections.abc import Callable

import pytest
from astropy import units
from astropy.io.fits import Header
from hypothesis import given
from hypothesis import strategies as st

from sky.header.beam import read_beam
from sky.header.cards import Cards
from sky.header.errors import HeaderError
from sky.header.spectral import read_frequency
from sky.header.stokes import read_stokes

HI_HZ = 1420405752.0


def cards(*history: str, **values: object) -> Cards:
    header = Header(list(values.items()))
    for line in history:
        header["HISTORY"] = line
    return Cards(header)


def axis(
    ctype: str, value: float, step: float, *, number: int = 3, **more: object
) -> dict[str, object]:
    names = {"CTYPE": ctype, "CRVAL": value, "CDELT": step, "CRPIX": 1.0} | more
    return {f"{name}{number}": each for name, each in names.items()}


@pytest.mark.parametrize(
    ("unit", "hz"),
    [("Hz", 1.0), ("kHz", 1e3), ("MHz", 1e6), ("GHz", 1e9), ("HZ", 1.0), ("MHZ", 1e6)],
)
def test_the_unit_of_the_axis_counts(unit: str, hz: float) -> None:
    centre, width = read_frequency(cards(**axis("FREQ", 1.4e9 / hz, 1e6 / hz, CUNIT=unit)))
    assert centre == pytest.approx(1.4e9)
    assert width == pytest.approx(1e6)


@pytest.mark.parametrize(("unit", "value"), [("Hz", 1.4e9), ("MHz", 1.4e3), ("GHz", 1.4)])
@pytest.mark.parametrize("pixel", [0.0, 1.0, 33.0])
def test_an_axis_without_a_step_has_one_value(unit: str, value: float, pixel: float) -> None:
    centre, width = read_frequency(cards(**axis("FREQ", value, 0.0, CRPIX=pixel, CUNIT=unit)))
    assert centre == pytest.approx(1.4e9, rel=1e-12)
    assert width == 0.0


def test_a_rest_wavelength_beyond_all_numbers_is_refused() -> None:
    with pytest.raises(HeaderError, match="axis 3") as caught:
        read_frequency(cards(**axis("FREQ", 1.4e9, 1e6), RESTWAV=1e-320))
    assert caught.value.code == "bad_header"


@given(st.integers(-500, 500), st.floats(1e3, 1e6))
def test_the_frequency_is_that_of_the_plane(pixel: int, step_hz: float) -> None:
    centre, _ = read_frequency(cards(**axis("FREQ", 1.4e9, step_hz, CRPIX=float(pixel))))
    assert centre == pytest.approx(1.4e9 + (1 - pixel) * step_hz, rel=1e-12)


@pytest.mark.parametrize(
    ("ctype", "unit", "value", "equivalency"),
    [
        ("VRAD", "m/s", 1e5, units.doppler_radio),
        ("VOPT", "m/s", 1e5, units.doppler_optical),
        ("VOPT-F2W", "km/s", 100.0, units.doppler_optical),
        ("VELO", "m/s", 1e5, units.doppler_relativistic),
        ("FELO-HEL", "m/s", 1e5, units.doppler_optical),
    ],
)
def test_velocities_are_converted(
    ctype: str, unit: str, value: float, equivalency: Callable[..., units.Equivalency]
) -> None:
    expected = (value * units.Unit(unit)).to(units.Hz, equivalency(HI_HZ * units.Hz)).value
    centre, width = read_frequency(
        cards(RESTFRQ=HI_HZ, **axis(ctype, value, value / 100, CUNIT=unit))
    )
    assert centre == pytest.approx(expected, rel=1e-12)
    assert 0 < width < 1e5


def test_a_radio_velocity_of_aips_is_known_by_its_code() -> None:
    radio = read_frequency(cards(RESTFRQ=HI_HZ, VELREF=257, **axis("VELO-LSR", 1e5, 1e3)))
    assert radio[0] == pytest.approx(HI_HZ * (1 - 1e5 / 299_792_458), rel=1e-12)


def test_a_wavelength_is_converted() -> None:
    assert read_frequency(cards(**axis("WAVE", 0.21, 1e-3, CUNIT="m")))[0] == pytest.approx(
        299_792_458 / 0.21
    )


def test_a_rest_frequency_counts_without_an_axis_and_for_lofar() -> None:
    assert read_frequency(cards(RESTFRQ=150e6, RESTBW=2e6)) == (150e6, 2e6)
    assert read_frequency(cards(RESTFREQ=150e6)) == (150e6, 0.0)
    both = axis("FREQ", 130e6, 1e6)
    assert read_frequency(cards(RESTFRQ=150e6, **both))[0] == pytest.approx(130e6)
    lofar = cards(RESTFRQ=150e6, RESTBW=2e6, TELESCOP="LOFAR", **both)
    assert read_frequency(lofar) == (150e6, 2e6)
    by_axis = cards(TELESCOP="LOFAR", **both), cards(RESTFRQ=150e6, TELESCOP="AARTFAAC", **both)
    assert [read_frequency(each)[0] for each in by_axis] == pytest.approx([130e6, 130e6])


@pytest.mark.parametrize(
    "channels",
    [axis("CHANNEL", 1.0, 1.0), axis("chan", 1.0, 1.0), axis("SPECTRAL", 0.0, 1.0),
     axis("", 1.4e9, 1e6, CUNIT="Hz"), axis("BAND", 1400.0, 1.0, CUNIT="MHz")],
)  # fmt: skip
def test_on_an_axis_of_channels_a_rest_frequency_says_nothing(channels: dict[str, object]) -> None:
    with pytest.raises(HeaderError, match=r"axis 3 is of channels .* set FREQ") as caught:
        read_frequency(cards(RESTFRQ=HI_HZ, **channels))
    assert caught.value.code == "no_frequency"
    assert read_frequency(cards(RESTFRQ=HI_HZ, FREQ=1.3e9, **channels))[0] == 1.3e9
    lofar = cards(RESTFRQ=150e6, RESTBW=2e6, TELESCOP="LOFAR", **channels)
    assert read_frequency(lofar) == (150e6, 2e6)


@pytest.mark.parametrize("name", ["RESTFRQ", "RESTFREQ", "RESTWAV"])
def test_a_rest_card_without_a_value_says_nothing(name: str) -> None:
    """`header["RESTFRQ"] = None` of astropy: FITS 4.0, section 4.1.2.3."""
    found = read_frequency(cards(**{name: None}, **axis("FREQ", 130e6, 1e6)))
    assert found[0] == pytest.approx(130e6)
    with pytest.raises(HeaderError, match="no frequency") as caught:
        read_frequency(cards(**{name: None}))
    assert caught.value.code == "no_frequency"


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("no_frequency", {}),
        ("no_frequency", axis("VRAD", 1e5, 1e3)),
        ("no_frequency", {"CTYPE3": "FREQ"}),
        ("bad_frequency", axis("FREQ", 1400.0, 1.0)),
        ("bad_frequency", {"RESTFRQ": -5.0}),
        ("bad_header", axis("FREQ", 1.4e9, 1e6, CUNIT="parsec")),
        ("bad_header", {"RESTFRQ": "high"}),
        ("bad_header", {"CTYPE3": "FREQ", "CRVAL3": 1e9, "CRPIX3": 7.0}),
    ],
)
def test_no_frequency_is_refused_by_name(code: str, values: dict[str, object]) -> None:
    with pytest.raises(HeaderError, match=r".{10}") as caught:
        read_frequency(cards(**values))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("code", "name"),
    [(1, "I"), (2, "Q"), (3, "U"), (4, "V"), (-1, "RR"), (-2, "LL"), (-3, "RL"), (-4, "LR"),
     (-5, "XX"), (-6, "YY"), (-7, "XY"), (-8, "YX")],
)  # fmt: skip
def test_stokes_codes_have_names(code: int, name: str) -> None:
    assert read_stokes(cards(**axis("STOKES", float(code), 1.0, number=4))) == name
    shifted = axis("STOKES", code - 3.0, 1.0, number=4, CRPIX=-2.0)
    assert read_stokes(cards(**shifted)) == name


@given(
    st.floats(-20, 20).filter(
        lambda code: min(abs(code - k) for k in (*range(-8, 0), *range(1, 5))) > 1e-2
    )
)
def test_other_stokes_codes_are_refused(code: float) -> None:
    with pytest.raises(HeaderError, match="Stokes code"):
        read_stokes(cards(**axis("STOKES", code, 1.0)))


@pytest.mark.parametrize("form", ["{}", "Stokes {}", "Stokes{}", " {} "])
@pytest.mark.parametrize("name", ["I", "Q", "U", "V", "RR", "LL", "XX", "yy", "v"])
def test_without_a_stokes_axis_a_card_may_name_it(form: str, name: str) -> None:
    assert read_stokes(cards(STOKES=form.format(name))) == name.upper()
    assert read_stokes(cards(**axis("STOKES", 2.0, 1.0), STOKES=form.format(name))) == "Q"


@given(st.from_regex(r"[A-Za-z0-9]{1,8}", fullmatch=True))
def test_another_name_of_stokes_is_refused(name: str) -> None:
    try:
        read = read_stokes(cards(STOKES=name))
    except HeaderError as error:
        assert error.code == "bad_stokes"  # noqa: PT017
    else:
        assert name.upper().removeprefix("STOKES") == read


@pytest.mark.parametrize(
    ("card", "text", "name"),
    [("POL", "V", "V"), ("POLN", "Stokes q", "Q"), ("POLTYPE", "XX", "XX"), ("POL", "I ", "I"),
     ("CORRTYPE", "RR", "RR"), ("POL_TYPE", "STOKES_U", "U"), ("POLARIZ", "total", "I"),
     ("POLTYPE", "X-Y LIN", "I"), ("CORRTYPE", "CROSS", "I"), ("POL", "", "I"),
     ("POLARISATION", "LL", "LL")],
)  # fmt: skip
def test_a_card_of_another_writer_may_name_it(card: str, text: str, name: str) -> None:
    if len(card) > 8:
        found = Header.fromstring(f"{'HIERARCH ' + card + f' = {text!r}':<80}")
        assert read_stokes(Cards(found)) == name
        return
    assert read_stokes(cards(**{card: text})) == name
    assert read_stokes(cards(STOKES="U", **{card: text})) == "U"
    assert read_stokes(cards(**axis("STOKES", -4.0, 1.0), **{card: text})) == "LR"


@pytest.mark.parametrize(
    "values",
    [{"POL": "IQUV"}, {"POL": 1}, {"POL": "LINEAR"}, {"CORRTYPE": "XX,YY"}, {"POLTYPE": "PI"},
     {"POL": "V", "CORRTYPE": "RR"}],
)  # fmt: skip
def test_a_card_that_names_none_or_two_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(HeaderError, match="set STOKES to one of them") as caught:
        read_stokes(cards(**values))
    assert caught.value.code == "bad_stokes"


def test_a_card_that_names_it_and_cannot_be_read_is_refused() -> None:
    with pytest.raises(HeaderError, match="POL") as caught:
        read_stokes(Cards(Header.fromstring(f"{'POL     = V':<80}")))
    assert caught.value.code == "bad_header"


def test_an_axis_of_polarisation_is_one_of_stokes() -> None:
    assert read_stokes(cards(**axis("POLARIZATION", 4.0, 1.0))) == "V"


def test_without_a_stokes_axis_it_is_total_intensity() -> None:
    assert read_stokes(cards()) == "I"


@pytest.mark.parametrize(
    ("history", "beam"),
    [
        (("AIPS   CLEAN BMAJ=  1.1E-02 BMIN=  8.3E-03 BPA=  30.00",), (0.011, 0.0083, 30.0)),
        (
            ("AIPS CLEAN BMAJ= 9 BMIN= 9 BPA= 0", "AIPS CLEAN BMAJ= 0.2 BMIN= 0.1 BPA= -10"),
            (0.2, 0.1, -10.0),
        ),
        (
            (
                "RESTOR: Using gaussian beam fwhm of 36.0 by 18.0 arcsec.",
                "RESTOR: Position angle: 20.0 degrees.",
            ),
            (0.01, 0.005, 20.0),
        ),
        (("wsclean -niter 100 -beam-shape 36asec 18asec 20deg x.ms",), (0.01, 0.005, 20.0)),
        (("wsclean -beam-size 36asec x.ms",), (0.01, 0.01, 0.0)),
        (("wsclean -beam-shape 36asec 18asec 1.5707963rad x.ms",), (0.01, 0.005, 90.0)),
        (("RESTOR: Beam fwhm of 36.0 by 18.0 arcsec, position angle: 20",), (0.01, 0.005, 20.0)),
        # The inputs of a task: in arcseconds, or 0 for what it shall find itself.
        (
            ("AIPS CLEAN BMAJ= 0.2 BMIN= 0.1 BPA= -10", "AIPS CONVL BMAJ= 5 BMIN= 4 BPA= 45"),
            (0.2, 0.1, -10.0),
        ),
        (
            ("AIPS CLEAN BMAJ= 0.2 BMIN= 0.1 BPA= -10", "AIPS CLEAN BMAJ= 0.0 BMIN= 0.0 BPA= 0.0"),
            (0.2, 0.1, -10.0),
        ),
    ],
)  # fmt: skip
def test_a_history_may_have_the_beam(history: tuple[str, ...], beam: tuple[float, ...]) -> None:
    assert read_beam(cards(*history)) == pytest.approx(beam)


@pytest.mark.parametrize(
    "line",
    ["RESTOR: Using gaussian beam fwhm of 36.0 by 18.0 arcsec.",
     "AIPS CONVL BMAJ= 5.0 BMIN= 4.0 BPA= 45.0/ (asec)"],
)  # fmt: skip
def test_a_history_without_angle_or_unit_has_no_beam(line: str) -> None:
    with pytest.raises(HeaderError, match="BPA") as caught:
        read_beam(cards(line))
    assert caught.value.code == "no_beam"


@given(st.floats(1e-4, 1.0), st.floats(1e-4, 1.0), st.floats(-360, 360))
def test_swapped_axes_are_the_same_ellipse(first: float, second: float, angle: float) -> None:
    major, minor, pa = read_beam(cards(BMAJ=first, BMIN=second, BPA=angle))
    turned = read_beam(cards(BMAJ=second, BMIN=first, BPA=angle + 90))
    assert major >= minor
    assert turned[:2] == (major, minor)
    assert abs((turned[2] - pa + 90) % 180 - 90) < 1e-6 or major == minor
    assert -90 <= pa <= 90


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("no_beam", {}),
        ("no_beam", {"BMAJ": 0.1}),
        ("no_beam", {"BMAJ": 0.1, "BMIN": 0.05}),
        ("bad_beam", {"BMAJ": 0.1, "BMIN": 0.0, "BPA": 0.0}),
        ("bad_beam", {"BMAJ": 100.0, "BMIN": 1.0, "BPA": 0.0}),
        ("bad_header", {"BMAJ": "wide", "BMIN": 0.1, "BPA": 0.0}),
        ("bad_header", {"BMAJ": 0.1, "BMIN": 0.1, "BPA": "north"}),
    ],
)
def test_a_beam_that_is_none_is_refused(code: str, values: dict[str, object]) -> None:
    with pytest.raises(HeaderError, match=r".{10}") as caught:
        read_beam(cards(**values))
    assert caught.value.code == code


UNITS = {"deg": 1.0, "arcsec": 1 / 3600, "ASEC": 1 / 3600, "mas": 1 / 3.6e6, "arcmin": 1 / 60,
         "rad": 57.29577951308232, "beam": 1.0}  # fmt: skip


@given(st.sampled_from(sorted(UNITS)), st.floats(1e-3, 0.5), st.floats(1e-3, 0.5))
def test_a_beam_is_in_the_unit_that_its_comments_begin_with(
    unit: str, major_deg: float, minor_deg: float
) -> None:
    header = Header()
    for name, value in (("BMAJ", major_deg), ("BMIN", minor_deg)):
        header[name] = (value / UNITS[unit], f"[{unit}] of the beam")
    header["BPA"] = (10.0, "[deg]")
    axes = sorted((major_deg, minor_deg), reverse=True)
    assert read_beam(Cards(header))[:2] == pytest.approx(tuple(axes))


@pytest.mark.parametrize("unit", ["Hz", "kHz", "MHz", "GHz"])
@pytest.mark.parametrize("name", ["RESTFRQ", "RESTFREQ", "FREQ"])
def test_a_frequency_is_in_the_unit_that_its_comment_begins_with(name: str, unit: str) -> None:
    factor = {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9}[unit]
    header = Header([(name, 1.4e9 / factor, f"[{unit}] where it is"), ("RESTBW", 5.0, "[MHz]")])
    assert read_frequency(Cards(header)) == pytest.approx((1.4e9, 5e6))
    header.comments[name] = f"in [{unit}]"
    if factor == 1e9:
        with pytest.raises(HeaderError, match=r"1\.4 Hz"):
            read_frequency(Cards(header))


def test_a_round_beam_needs_no_angle() -> None:
    assert read_beam(cards(BMAJ=0.1, BMIN=0.09999)) == (0.1, 0.09999, 0.0)


@pytest.mark.parametrize(
    ("ctype", "unit", "value", "hz"),
    [
        ("VRAD", "KM/S", 100.0, HI_HZ * (1 - 100 / 299_792.458)),
        ("FELO-LSR", "M/S", 1e5, HI_HZ / (1 + 1e5 / 299_792_458)),
        ("LAMBDA", "m", 0.21, 299_792_458 / 0.21),
        ("SPECLNMF", "Hz", 1.28e9, 1.28e9),
        ("frequency", "Mhz", 1400.0, 1.4e9),
    ],
)
def test_spellings_of_older_writers_are_converted(
    ctype: str, unit: str, value: float, hz: float
) -> None:
    found = read_frequency(cards(RESTFRQ=HI_HZ, **axis(ctype, value, value / 100, CUNIT=unit)))
    assert found[0] == pytest.approx(hz, rel=1e-12)


def test_a_plane_of_spectral_indices_is_refused() -> None:
    with pytest.raises(HeaderError, match="SPECLNMF and CRPIX3 is 0"):
        read_frequency(cards(RESTFRQ=HI_HZ, **axis("SPECLNMF", 1.28e9, 1e6, CRPIX=0.0)))


@pytest.mark.parametrize("name", ["PC3_3", "PC003003"])
def test_both_spellings_of_a_matrix_scale_the_axis(name: str) -> None:
    found = read_frequency(cards(**axis("FREQ", 1.4e9, 1e6, CRPIX=5.0), **{name: 2.0}))
    assert found == pytest.approx((1.392e9, 2e6))


def test_an_axis_that_is_joined_with_another_one_is_refused() -> None:
    with pytest.raises(HeaderError, match="PC3_4 joins axis 3 with axis 4"):
        read_frequency(cards(**axis("FREQ", 1.4e9, 1e6, CRPIX=5.0), PC3_4=0.1))


@pytest.mark.parametrize("ctype", ["POL", "POLN", "POLARISATION", "POLARIZATION", "stokes"])
def test_an_axis_of_polarisations_is_one_whatever_its_name(ctype: str) -> None:
    assert read_stokes(cards(**axis(ctype, 4.0, 1.0, number=4))) == "V"


@pytest.mark.parametrize("name", ["CD4_4", "CD004004"])
def test_the_stokes_code_follows_the_matrix(name: str) -> None:
    code = {"CTYPE4": "STOKES", "CRVAL4": -5.0, "CRPIX4": 2.0, name: -1.0}
    assert read_stokes(cards(**code)) == "LR"


@pytest.mark.parametrize("unit", ["arcminutes", "arcsecond", "radian"])
def test_units_of_a_beam_may_be_written_out(unit: str) -> None:
    in_unit = units.Unit({"arcminutes": "arcmin", "arcsecond": "arcsec", "radian": "rad"}[unit])
    header = Header([("BPA", 10.0)])
    for name, value in (("BMAJ", 0.05), ("BMIN", 0.04)):
        header[name] = ((value * units.deg).to_value(in_unit), f"[{unit}] FWHM")
    assert read_beam(Cards(header)) == pytest.approx((0.05, 0.04, 10.0))


def test_the_angle_of_a_beam_has_a_unit_too() -> None:
    header = Header([("BMAJ", 0.05), ("BMIN", 0.04), ("BPA", 0.5, "[rad] north through east")])
    assert read_beam(Cards(header))[2] == pytest.approx(28.6478898)


def test_a_beam_is_found_where_aips_and_obit_keep_it() -> None:
    aips = "AIPS   CLEAN BMAJ=  5.0000E-02 BMIN=  4.0000E-02 BPA=  12.50"
    assert read_beam(cards(CLEANBMJ=0.05, CLEANBMN=0.04, CLEANBPA=12.5)) == (0.05, 0.04, 12.5)
    assert read_beam(cards(aips, BMAJ=0.0, BMIN=0.0, BPA=0.0)) == (0.05, 0.04, 12.5)

"""Every unit of brightness becomes Jy/beam, and nothing else passes for one."""

import math

import pytest
from astropy import units
from astropy.io.fits import Header
from hypothesis import given
from hypothesis import strategies as st

from sky.header.brightness import BrightnessUnit, beam_area_sr, read_brightness_unit
from sky.header.cards import Cards
from sky.header.errors import HeaderError

PREFIXES = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "k": 1e3, "M": 1e6, "G": 1e9}
FORMS = (
    "{}Jy/beam", "{}Jy / beam", "{}Jy beam-1", "{}Jy.beam-1", "{}Jy beam**-1", "{}Jy beam^-1",
    "beam-1 {}Jy", "beam**-1*{}Jy", "{}Jy*beam-1", "{}Jy per beam", "{}Jansky/beam",
    "({}Jy)/(beam)",
    "{}JY/BEAM", "{}Jy/Beam", "{}Jy/bm", " {}Jy/beam ",
)  # fmt: skip


def factor(
    text: str, *, freq_hz: float = 1.4e9, beam_sr: float = 1e-8, pixel_sr: float = 1e-9
) -> float:
    unit = read_brightness_unit(Cards(Header([("BUNIT", text)])))
    return unit.to_jy_beam(freq_hz=freq_hz, beam_sr=beam_sr, pixel_sr=pixel_sr)


@given(st.sampled_from(FORMS), st.sampled_from([each for each in PREFIXES if each not in "MG"]))
def test_every_spelling_and_prefix_of_jy_per_beam(form: str, prefix: str) -> None:
    assert factor(form.format(prefix)) == pytest.approx(PREFIXES[prefix])


@pytest.mark.parametrize(
    "text",
    [f"{power} Jy/beam" for power in ("10-3", "10**-3", "10^-3", "10**(-3)", "10^(-3)", "10(-3)")],
)
def test_a_power_of_ten_has_every_spelling_of_the_standard(text: str) -> None:
    assert factor(text) == pytest.approx(units.Unit(text, format="fits").to("Jy/beam"))


def test_a_capital_m_is_mega_only_where_small_letters_show_it() -> None:
    assert factor("MJy/beam") == 1e6
    with pytest.raises(HeaderError, match="BUNIT is 'MJY/BEAM'"):
        factor("MJY/BEAM")


@given(
    st.sampled_from(["mK", "K", "kK"]),
    st.floats(30e6, 30e9),
    st.floats(1e-4, 1.0),
    st.floats(0.1, 1.0),
)
def test_kelvin_is_converted_as_astropy_does(
    unit: str, freq_hz: float, major_deg: float, ratio: float
) -> None:
    beam_sr = beam_area_sr(major_deg, ratio * major_deg)
    expected = (1.0 * units.Unit(unit)).to(
        units.Jy, units.brightness_temperature(freq_hz * units.Hz, beam_sr * units.sr)
    )
    got = factor(unit, freq_hz=freq_hz, beam_sr=beam_sr)
    assert got == pytest.approx(expected.value, rel=1e-9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Jy/pixel", 10.0),
        ("mJy/pix", 0.01),
        ("MJy/sr", 1e6 * 1e-8),
        ("MJY/SR", 1e6 * 1e-8),
        ("Jy/arcsec^2", 1e-8 / math.radians(1 / 3600) ** 2),
        ("Jy arcsec-2", 1e-8 / math.radians(1 / 3600) ** 2),
        ("10**-3 Jy/beam", 1e-3),
        ("1e-3 Jy/beam", 1e-3),
    ],
)
def test_brightness_per_other_areas_and_with_scales_is_converted(
    text: str, expected: float
) -> None:
    assert factor(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["counts", "Jy", "K/beam", "dB", "W/m2", "Jy/beam/s", "MK", "1"])
def test_what_is_no_brightness_is_refused(text: str) -> None:
    with pytest.raises(HeaderError, match="write the pixels in Jy/beam") as caught:
        factor(text)
    assert caught.value.code == "bad_unit"


def test_no_unit_is_jy_per_beam_and_noted() -> None:
    cards = Cards(Header())
    assert read_brightness_unit(cards).to_jy_beam(freq_hz=1, beam_sr=1, pixel_sr=1) == 1.0
    assert cards.ignored == ["BUNIT"]


@pytest.mark.parametrize("name", ["Spectral Index", "rotation_measure", "Beam", "beam"])
def test_an_image_of_another_quantity_is_refused(name: str) -> None:
    with pytest.raises(HeaderError, match=f"BTYPE is '{name}'") as caught:
        read_brightness_unit(Cards(Header([("BTYPE", name), ("BUNIT", "Jy/beam")])))
    assert caught.value.code == "bad_unit"


@pytest.mark.parametrize("name", ["Intensity", "intensity", "", "Flux", "Undefined"])
def test_other_names_of_a_quantity_say_nothing(name: str) -> None:
    assert read_brightness_unit(Cards(Header([("BTYPE", name), ("BUNIT", "mJy/beam")]))) == (
        BrightnessUnit(1e-3, "beam")
    )

"""A card is its one value, absent, or refused with its own text."""

import pytest
from astropy.io.fits import Card, Header
from astropy.io.fits.card import Undefined
from astropy.io.fits.verify import VerifyError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sky.header.cards import Cards
from sky.header.errors import HeaderError
from tests.support.examples import examples


def header(*cards: str) -> Header:
    return Header.fromstring("".join(card.ljust(80) for card in cards))


def test_a_card_that_contradicts_itself_is_refused_or_ignored() -> None:
    cards = Cards(header("BMAJ    = 0.1", "BMAJ    = 0.2", "OBJECT  = 'a'", "OBJECT  = 'b'"))
    with pytest.raises(HeaderError, match="BMAJ is there 2 times, with different values"):
        cards.required_number("BMAJ")
    assert cards.text("OBJECT") is None
    assert cards.ignored == ["BMAJ", "OBJECT"]


@pytest.mark.parametrize("second", ["1,5", "'unclosed", "", "--5"])
def test_a_second_card_that_cannot_be_read_is_a_contradiction(second: str) -> None:
    for pair in (
        (f"BMAJ    = {second}", "BMAJ    = 0.1"),
        ("BMAJ    = 0.1", f"BMAJ    = {second}"),
    ):
        with pytest.raises(HeaderError, match="BMAJ"):
            Cards(header(*pair)).required_number("BMAJ")


def test_a_card_that_is_repeated_counts_once() -> None:
    cards = Cards(header("BMAJ    = 0.1", "BMAJ    = 1E-1", "BUNIT   = 'K'", "BUNIT   = 'K '"))
    assert cards.required_number("BMAJ") == 0.1
    assert cards.text("BUNIT") == "K"
    assert cards.ignored == []


@pytest.mark.parametrize("text", ["1_000", "2024-03-05T06:07:08", "INF", "'unclosed"])
def test_an_unreadable_card_is_quoted_as_it_came(text: str) -> None:
    cards = Cards(header(f"DATE-OBS= {text}"))
    with pytest.raises(HeaderError) as refused:
        cards.required_text("DATE-OBS")
    assert f"'DATE-OBS= {text}'" in str(refused.value)


def as_astropy(image: str) -> str | None:
    """Return the value of one card as text, as astropy reads it by itself."""
    try:
        value = Card.fromstring(image).value
    except (KeyError, VerifyError, ValueError, IndexError, TypeError):
        return None
    return None if isinstance(value, Undefined) else str(value).strip() or None


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=examples(200))
@example("'12.0    '           / [DEG ] in quotes")
@example("10,0 / [deg] no number")
@example("1.5D+02")
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=70))
def test_a_card_that_came_before_reads_as_one_that_is_new(rest: str) -> None:
    image = f"CRVAL1  = {rest}".ljust(80)
    for _ in range(2):
        assert Cards(header(image)).text("CRVAL1") == as_astropy(image)


def test_a_card_that_was_changed_has_its_new_value() -> None:
    changed = header("CRVAL1  =                  1.5 / [deg]")
    assert Cards(changed).number("CRVAL1") == 1.5
    changed["CRVAL1"] = (2.5, "[rad]")
    cards = Cards(changed)
    assert cards.number("CRVAL1") == 2.5
    assert cards.scale("CRVAL1", {"rad": 3.0, "deg": 2.0}) == 3.0
    assert Cards(Header.fromstring(changed.tostring())).number("CRVAL1") == 2.5


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("'1.5D2'", 150.0),
        ("1.5D+02", 150.0),
        ("'.15e3'", 150.0),
        ("'1_50'", None),
        ("'infinity'", None),
        ("'150 deg'", None),
    ],
)
def test_a_number_is_what_fits_calls_one(text: str, number: float | None) -> None:
    """Python reads underscores, too, and no exponent D."""
    assert Cards(header(f"CRVAL1  = {text}")).number("CRVAL1") == number

"""A card is its one value, absent, or refused with its own text."""

import pytest
from astropy.io.fits import Header

from sky.header.cards import Cards
from sky.header.errors import HeaderError


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

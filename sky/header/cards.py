"""Read the cards of an unchecked header: a value, absent, or unreadable."""

import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache

from astropy.io.fits import Card, Header
from astropy.io.fits.verify import VerifyError
from astropy.utils.exceptions import AstropyWarning

from sky.header.errors import HeaderError

__all__ = ["Cards", "quiet_astropy", "to_number"]

_LONGEST_QUOTE = 80
# The unit of a value, in brackets at the beginning of its comment.
_UNIT = re.compile(r"\[\s*([A-Za-z]+)\s*\]")
# A number in quotes; FITS 4.0, section 4.2.4 has the exponent D.
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][-+]?\d+)?")
_UNREADABLE = object()


@contextmanager
def quiet_astropy() -> Iterator[None]:
    """Keep astropy's warnings of odd cards from the log: what matters is raised or listed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        yield


class Cards:
    """The cards of one header.

    An optional card that cannot be read counts as absent and is listed in `ignored`; a card that
    the caller must have is refused with its own text.

    Parameters
    ----------
    header : astropy.io.fits.Header, or its cards
        Not modified.
    """

    def __init__(self, header: Header | Iterable[Card]) -> None:
        # An index of its own: to ask astropy's for 40 cards, absent ones among them, takes 1 ms.
        self._cards: dict[str, list[Card]] = {}
        for card in header.cards if isinstance(header, Header) else header:
            self._cards.setdefault(card.keyword.upper(), []).append(card)
        self.ignored: list[str] = []

    def __contains__(self, name: str) -> bool:
        """Return whether the header has the card, readable or not."""
        return name in self._cards

    def image(self, name: str) -> str:
        """Return the card as it stands in the header, for an error message."""
        try:
            card = self._cards[name][0]
            # As it came: `image` is what astropy makes of a card that it cannot read.
            text = str(getattr(card, "_image", None) or card.image)
        except (VerifyError, ValueError, KeyError):
            return name
        return "".join(c if c.isprintable() else "?" for c in text.rstrip()[:_LONGEST_QUOTE])

    def text(self, name: str) -> str | None:
        """Return an optional card as stripped text; None if it is absent, empty or unreadable."""
        value = self._value(name)
        if value is None:
            return None
        text = str(value).strip()
        return text or None

    def required_text(self, name: str) -> str | None:
        """Return a card as stripped text; None only if it is absent or empty.

        Raises
        ------
        HeaderError
            Code ``bad_header`` if the card is there and cannot be read.
        """
        text = self.text(name)
        if text is None and name in self.ignored:
            raise self.unreadable(name, "text in quotes")
        return text

    def number(self, name: str) -> float | None:
        """Return an optional card as a finite number; None if it is absent or unreadable."""
        value = to_number(self._value(name))
        if value is None and name in self._cards and not self._is_empty(name):
            self.ignore(name)
        return value

    def required_number(self, name: str) -> float | None:
        """Return a card as a finite number; None only if it is absent.

        Raises
        ------
        HeaderError
            Code ``bad_header`` if the card is there and is no finite number.
        """
        value = to_number(self._value(name))
        if value is None and name in self._cards:
            raise self.unreadable(name, "a finite number")
        return value

    def whole_number(self, name: str) -> int | None:
        """Return a card that is written as a whole number; None for any other."""
        value = self._value(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def required_count(self, name: str) -> int:
        """Return a card as a whole number that is not negative.

        Raises
        ------
        HeaderError
            Code ``bad_header`` if it is absent or anything else.
        """
        value = self.whole_number(name)
        if value is None or value < 0:
            raise self.unreadable(name, "a whole number, 0 or more")
        return value

    def scale(self, name: str, units: Mapping[str, float]) -> float:
        """Return the factor of the unit that the comment of a card begins with.

        Parameters
        ----------
        name : str
            A card with a number.
        units : mapping of str to float
            Each unit (lower case) in the unit wanted.

        Returns
        -------
        float
            1 without a comment, and where the comment begins with anything else.

        References
        ----------
        FITS 4.0, section 4.3.2: the unit stands in square brackets.
        """
        cards = self._cards.get(name)
        match = _UNIT.match(_comment_of(cards[0])) if cards else None
        return units.get(match[1].lower(), 1.0) if match else 1.0

    def flag(self, name: str) -> bool:
        """Return whether an optional logical card is T."""
        return self._value(name) is True

    def history(self) -> Iterator[str]:
        """Yield the HISTORY lines that can be read, in order."""
        for card in self._cards.get("HISTORY", ()):
            try:
                yield str(card.value)
            except (VerifyError, ValueError):
                self.ignore("HISTORY")

    def ignore(self, name: str) -> None:
        """List an optional card that could not be used."""
        if name not in self.ignored:
            self.ignored.append(name)

    def unreadable(self, name: str, wanted: str) -> HeaderError:
        """Return the error for a card that is needed and cannot be read."""
        if name not in self._cards:
            return HeaderError("bad_header", f"card {name} is missing; it must be {wanted}")
        if self._is_contradictory(name):
            n_cards = len(self._cards[name])
            return HeaderError(
                "bad_header", f"card {name} is there {n_cards} times, with different values"
            )
        return HeaderError(
            "bad_header", f"card {name} must be {wanted}, and it reads '{self.image(name)}'"
        )

    def is_undefined(self, name: str) -> bool:
        """Return whether a card is there without any value: FITS 4.0, section 4.1.2.3."""
        cards = self._cards.get(name, [])
        return bool(cards) and all(_value_of(card) is None for card in cards)

    def _is_empty(self, name: str) -> bool:
        value = self._value(name)
        return value is not None and not str(value).strip()

    def _is_contradictory(self, name: str) -> bool:
        """Return whether a card is there several times, and not with one value.

        FITS 4.0, section 4.1.2.3: its value is then indeterminate; programs differ in which of
        them they take.
        """
        cards = self._cards.get(name, [])
        if len(cards) < 2:
            return False
        values = [_value_of(card) for card in cards]
        return any(value != values[0] for value in values[1:])

    def _value(self, name: str) -> object:
        cards = self._cards.get(name)
        if cards is None:
            return None
        value = _value_of(cards[0])
        if value is _UNREADABLE or self._is_contradictory(name):
            self.ignore(name)
            return None
        return value


def _value_of(card: Card) -> object:
    """Return the value of a card; None if it has none, `_UNREADABLE` if it cannot be read."""
    image = _image_of(card)
    return _parse_value(card) if image is None else _parse_image(image)[0]


def _comment_of(card: Card) -> str:
    """Return the comment of a card; an empty text if it cannot be read."""
    image = _image_of(card)
    return _parse_comment(card) if image is None else _parse_image(image)[1]


def _image_of(card: Card) -> str | None:
    """Return the 80 characters of a card that is as it came; None for others, and long texts."""
    image = getattr(card, "_image", None)
    if not isinstance(image, str) or len(image) != Card.length:
        return None
    return None if getattr(card, "_modified", True) else image


@lru_cache(maxsize=4096)
def _parse_image(image: str) -> tuple[object, str]:
    """Return value and comment of a card: headers of a stream have most cards in common."""
    card = Card.fromstring(image)
    return _parse_value(card), _parse_comment(card)


def _parse_comment(card: Card) -> str:
    try:
        return str(card.comment)
    except (KeyError, VerifyError, ValueError):
        return ""


def _parse_value(card: Card) -> object:
    try:
        value: object = card.value
    except (KeyError, VerifyError, ValueError, IndexError, TypeError):
        return _UNREADABLE
    # astropy's mark of a card without a value.
    return None if type(value).__name__ == "Undefined" else value


def to_number(value: object) -> float | None:
    """Return a finite float, also of a number in quotes as FITS writes it; None for another."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value.strip()):
            return None
        value = value.upper().replace("D", "E")
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None

"""Elements of XML as text: building a tree of the same packet takes five times as long.

Names of elements and attributes are constants of the caller and not escaped. Text and values
are, as lxml does it.
"""

import re
from decimal import Decimal

__all__ = ["element", "escape_text", "escape_value", "leaf", "to_attributes", "to_decimal"]

# Beyond, and below its inverse, the digits would be a line of zeros.
_LONG = 1e20

_SPECIAL = re.compile('[&<>"\t\n\r]')
_IN_TEXT = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_IN_VALUE = _IN_TEXT | {'"': "&quot;", "\t": "&#9;", "\n": "&#10;"}


def escape_text(text: str) -> str:
    """Return a text as the content of an element has it."""
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(lambda found: _IN_TEXT.get(found[0], found[0]), text)


def escape_value(text: str) -> str:
    """Return a text as the value of an attribute in double quotes has it."""
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(lambda found: _IN_VALUE[found[0]], text)


def to_decimal(value: float) -> str:
    """Return a number without an exponent: XPath 1.0 takes one with it for no number.

    References
    ----------
    Clark & DeRose (1999), XML Path Language 1.0, section 3.5.
    """
    text = str(value)
    if "e" in text and 1 / _LONG < abs(value) < _LONG:
        return f"{Decimal(text):f}"
    return text


def to_attributes(**values: str) -> str:
    """Return attributes after the name of an element, with a blank before each."""
    return "".join(f' {name}="{escape_value(value)}"' for name, value in values.items())


def element(tag: str, *children: str, **attributes: str) -> str:
    """Return an element of elements that are text already."""
    start = f"<{tag}{to_attributes(**attributes)}" if attributes else f"<{tag}"
    return f"{start}>{''.join(children)}</{tag}>" if children else f"{start}/>"


def leaf(tag: str, text: str, **attributes: str) -> str:
    """Return an element with a text and no elements."""
    start = f"<{tag}{to_attributes(**attributes)}" if attributes else f"<{tag}"
    return f"{start}>{escape_text(text)}</{tag}>"

"""Values with their errors, as a page writes them."""

import re

__all__ = ["badly_rounded", "read_value"]

_WRITTEN = re.compile(r"(?<![\d.])\u2212?\d+(?:\.\d+)? \u00b1 \d+(?:\.\d+)?")

_SUPERSCRIPTS = "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"


def _decimals(number: str) -> int:
    return len(number.partition(".")[2])


def badly_rounded(text: str) -> list[str]:
    """Return what has more than two digits of its error, or not as many decimals as its error."""
    found = []
    for written in _WRITTEN.findall(text):
        value, error = written.split(" \u00b1 ")
        digits = error.replace(".", "").lstrip("0")
        digits = digits if "." in error else digits.rstrip("0")
        if len(digits) > 2 or (float(error) > 0 and _decimals(value) != _decimals(error)):
            found.append(written)
    return found


def read_value(text: str) -> tuple[float, float, float]:
    """Return value, error and half a unit of the last digit, of `12.3 \u00b1 4.1 mJy`."""
    pattern = r"\(?(\u2212?[\d.]+) \u00b1 ([\d.]+)(?:\) \u00d7 10(\S+))?(?: (Jy|mJy|\u00b5Jy)\S*)?"
    found = re.fullmatch(pattern, text.strip())
    assert found, text
    value, error, exponent, unit = found.groups()
    powers = str.maketrans(_SUPERSCRIPTS, "-0123456789")
    scale = 10.0 ** int((exponent or "0").translate(powers))
    scale *= {"mJy": 1e-3, "\u00b5Jy": 1e-6}.get(unit, 1.0)
    tens = 10.0 ** (len(error.rstrip("0")) - len(error) if "." not in error else 0)
    half = 0.5 * 10.0 ** -_decimals(error) / tens
    return float(value.replace("\u2212", "-")) * scale, float(error) * scale, half * scale

"""Which form of an alert a client accepts (RFC 9110, section 12.5.1)."""

import re
from typing import Literal

from api.errors import ProblemError

__all__ = ["JSON_TYPE", "XML_TYPE", "choose_alert_format"]

JSON_TYPE = "application/json"
XML_TYPE = "application/xml"
_XML_TYPES = (XML_TYPE, "text/xml", "application/x-voevent+xml")


def choose_alert_format(accept: str) -> Literal["json", "xml"]:
    """Return the format that the header Accept prefers; JSON if it has no preference.

    Raises
    ------
    ProblemError
        406 if it accepts neither.
    """
    for name in _by_weight(accept):
        if name in {JSON_TYPE, "application/*", "*/*", ""}:
            return "json"
        if name in {*_XML_TYPES, "text/*"}:
            return "xml"
    raise ProblemError(406, f"an alert is {JSON_TYPE} or {XML_TYPE}, and Accept is {accept}")


def _by_weight(accept: str) -> list[str]:
    """Return the media ranges by descending weight, without those of weight 0."""
    ranges: list[tuple[float, str]] = []
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        ranges.append((float(weight) if re.fullmatch(r"[01](\.\d+)?", weight) else 1.0, name))
    return [name for weight, name in sorted(ranges, key=lambda each: -each[0]) if weight > 0]

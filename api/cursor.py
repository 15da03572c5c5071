"""Positions in a list, for paging by key: opaque to clients, worthless to forge."""

import base64
import binascii
import json

from api.problems import ProblemError

__all__ = ["decode_cursor", "encode_cursor"]

Value = str | int | float


def encode_cursor(*values: Value) -> str:
    """Return an opaque text for the last row of a page."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def decode_cursor(text: str | None, *kinds: type[Value]) -> tuple[Value, ...] | None:
    """Return the values behind a cursor; None for None.

    Parameters
    ----------
    text : str or None
        As `encode_cursor` made it.
    *kinds : type
        What each value must be; an int passes for a float.

    Raises
    ------
    ProblemError
        400 if it is not one of ours.
    """
    if text is None:
        return None
    values = _load(text)
    if len(values) == len(kinds):
        checked = [_convert(value, kind) for value, kind in zip(values, kinds, strict=True)]
        if None not in checked:
            return tuple(value for value in checked if value is not None)
    raise ProblemError(
        400, "cursor: not one that this list gave; leave it out to start from the beginning"
    )


def _load(text: str) -> list[object]:
    padded = text + "=" * (-len(text) % 4)
    try:
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        return []
    return values if isinstance(values, list) else []


def _convert(value: object, kind: type[Value]) -> Value | None:
    """Return the value as its kind, or None if it is none."""
    if isinstance(value, bool):
        return None
    if kind is float and isinstance(value, int | float):
        return float(value)
    if kind is int and isinstance(value, int) and abs(value) < 2**63:
        return value
    return value if kind is str and isinstance(value, str) else None

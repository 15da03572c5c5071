"""Paging by key: a cursor holds the key of the last row of a page."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from api.errors import ProblemError
from api.handlers.parameters import to_utc
from api.models.base import Model, Page

__all__ = ["decode_cursor", "decode_id", "decode_time", "encode_cursor", "encode_next", "to_page"]

Value = str | int | float
Item = TypeVar("Item", bound=Model)


def to_page(
    items: list[Item], rows: Sequence[Mapping[str, Any]], limit: int, *key: str
) -> Page[Item]:
    """Return a page; a full one has a cursor made of the `key` columns of its last row."""
    return Page(items=items, next=encode_next(rows, limit, *key))


def encode_next(rows: Sequence[Mapping[str, Any]], limit: int, *key: str) -> str | None:
    """Return the cursor of the next page; None if this one is not full."""
    return encode_cursor(*(rows[-1][name] for name in key)) if len(rows) == limit else None


def encode_cursor(*values: Value | datetime) -> str:
    """Return an opaque text for the last row of a page."""
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def decode_cursor(text: str | None, *kinds: type[Value]) -> tuple[Value, ...] | None:
    """Return the values of a cursor; None for None.

    Parameters
    ----------
    text : str or None
        As `encode_cursor` made it.
    *kinds : type
        Type of each value; an int passes for a float.

    Raises
    ------
    ProblemError
        400 if it is not a cursor of such values.
    """
    if text is None:
        return None
    values = _load(text)
    if len(values) == len(kinds):
        checked = [_convert(value, kind) for value, kind in zip(values, kinds, strict=True)]
        if None not in checked:
            return tuple(value for value in checked if value is not None)
    raise _wrong_cursor()


def decode_id(text: str | None) -> int | None:
    """Return the id of a cursor of one id; None for None."""
    values = decode_cursor(text, int)
    return None if values is None else int(values[0])


def decode_time(text: str) -> datetime | None:
    """Return the time of a cursor, in UTC.

    Raises
    ------
    ProblemError
        400 if it is not a time.
    """
    try:
        return to_utc(datetime.fromisoformat(text))
    except ValueError:
        raise _wrong_cursor() from None


def _wrong_cursor() -> ProblemError:
    return ProblemError(
        400, "cursor: not a cursor of this list; leave it out to start from the beginning"
    )


def _load(text: str) -> list[object]:
    padded = text + "=" * (-len(text) % 4)
    try:
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return []
    return values if isinstance(values, list) else []


def _convert(value: object, kind: type[Value]) -> Value | None:
    """Return the value as its kind, or None if it has another type."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int) and abs(value) >= 2**63:
        return None
    if kind is float and isinstance(value, int | float):
        return float(value)
    if kind is int and isinstance(value, int):
        return value
    return value if kind is str and isinstance(value, str) else None

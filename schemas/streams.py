"""Names of streams, in one spelling."""

import re

__all__ = ["DEFAULT_STREAM", "to_stream_name"]

DEFAULT_STREAM = "default"
_LONGEST = 64


def to_stream_name(text: str) -> str | None:
    """Return `text` as a stream name, or None if no character of it is left.

    Names have at most 64 lower-case letters, digits, dots, dashes and underscores; anything else
    becomes a dash.
    """
    name = re.sub(r"[^a-z0-9._-]+", "-", text[: 4 * _LONGEST].strip().lower())
    return name.strip("-")[:_LONGEST].rstrip("-") or None

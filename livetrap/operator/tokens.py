"""Tokens of the API: create, list, revoke."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import asyncpg

from livetrap.database.connection import with_connection
from livetrap.operator.audited import write_as_user
from runtime.api_tokens import SCOPES, create_token, hash_token, is_token_name
from runtime.errors import SettingsError
from runtime.settings import Settings
from runtime.sql import Queries

__all__ = ["issue_token", "list_tokens", "render_tokens", "revoke_token"]

Row = dict[str, Any]
T = TypeVar("T")
_QUERIES = Queries("livetrap.operator")
_TIMES = ("time_created", "time_expires", "time_last_used")


def issue_token(
    settings: Settings, name: str, scopes: Sequence[str], *, valid_days: float | None
) -> str:
    """Create a token and return it; only its digest is stored.

    Parameters
    ----------
    settings : Settings
        Where the database is.
    name : str
        Who gets it.
    scopes : sequence of str
        What it allows: ``read``, ``annotate``, ``operate``.
    valid_days : float or None
        How long it is valid [d]; None: for ever.

    Raises
    ------
    SettingsError
        If the name or a scope is wrong, or a token of the name is in use; others as of
        `livetrap.database.connection.connect`.
    """
    _check(name, scopes)
    token = create_token()
    expires = None if valid_days is None else datetime.now(UTC) + timedelta(days=valid_days)

    async def store(connection: asyncpg.Connection) -> int | None:
        number: int | None = await _QUERIES.fetchval(
            connection,
            "insert_token",
            name=name,
            token_sha256=hash_token(token),
            scopes=sorted(set(scopes)),
            time_expires=expires,
        )
        return number

    if write_as_user(settings.postgres, store) is None:
        raise SettingsError(
            f"a token named {name} is in use; revoke it first (`livetrap tokens revoke {name}`)"
        )
    return token


def _check(name: str, scopes: Sequence[str]) -> None:
    if not is_token_name(name):
        raise SettingsError(
            f"name {name!r}: write 1 to 64 letters, digits, dots, dashes or underscores"
        )
    wrong = [scope for scope in scopes if scope not in SCOPES]
    if wrong or not scopes:
        raise SettingsError(f"--scope {' '.join(wrong)}: write one of {', '.join(SCOPES)}")


def list_tokens(settings: Settings) -> list[Row]:
    """Return the tokens, newest first, without what is secret; errors as of `connect`."""

    async def fetch(connection: asyncpg.Connection) -> list[Row]:
        return [dict(row) for row in await _QUERIES.fetch(connection, "list_tokens")]

    return with_connection(settings.postgres, fetch)


def revoke_token(settings: Settings, name: str) -> None:
    """Refuse a token from now on.

    Raises
    ------
    SettingsError
        If no token of the name is in use; others as of `livetrap.database.connection.connect`.
    """

    async def revoke(connection: asyncpg.Connection) -> int | None:
        number: int | None = await _QUERIES.fetchval(connection, "revoke_token", name=name)
        return number

    if write_as_user(settings.postgres, revoke) is None:
        raise SettingsError(
            f"no token {name!r} is in use; `livetrap tokens list` shows their names"
        )


def render_tokens(tokens: Sequence[Row]) -> str:
    """Return a table, one line a token."""
    if not tokens:
        return "no tokens"
    lines = [("name", "state", "scopes", *_TIMES)]
    for row in tokens:
        times = [f"{row[name]:%Y-%m-%d %H:%M}" if row[name] else "never" for name in _TIMES]
        lines.append((row["name"], row["state"], ",".join(row["scopes"]), *times))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )

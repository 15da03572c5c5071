"""The names that rules may use: reference catalogues, streams and telescopes."""

import asyncpg

from runtime.sql import Queries

__all__ = ["list_rule_names"]

_QUERIES = Queries("runtime")
_KINDS = ("catalogue", "stream", "telescope")


async def list_rule_names(
    connection: asyncpg.Connection | asyncpg.pool.PoolConnectionProxy,
) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Return the names of reference catalogues, of streams and of telescopes."""
    rows = await _QUERIES.fetch(connection, "list_rule_names")
    catalogues, streams, telescopes = (
        frozenset(row["name"] for row in rows if row["kind"] == kind) for kind in _KINDS
    )
    return catalogues, streams, telescopes

"""Image accounting: how many images had which outcome."""

import asyncpg

from livetrap.database.connection import with_connection
from runtime.settings import Settings
from runtime.sql import Queries

__all__ = ["count_outcomes", "fetch_ledger", "render_ledger"]

_QUERIES = Queries("livetrap.operator")


def fetch_ledger(settings: Settings) -> dict[str, int]:
    """Return the number of images by outcome; errors as of `livetrap.database.connection.connect`.

    Parameters
    ----------
    settings : Settings
        Where the database is.

    Returns
    -------
    dict
        Counts by outcome; outcomes that never occurred are absent.
    """
    return with_connection(settings.postgres, count_outcomes)


async def count_outcomes(connection: asyncpg.Connection) -> dict[str, int]:
    """Return the number of images by outcome."""
    rows = await _QUERIES.fetch(connection, "count_ledger_outcomes")
    return {row["outcome"]: row["n_images"] for row in rows}


def render_ledger(ledger: dict[str, int]) -> str:
    """Return one line an outcome, and their sum."""
    rows = [*ledger.items(), ("total", sum(ledger.values()))]
    return "\n".join(f"{outcome:<12}{count:>12}" for outcome, count in rows)

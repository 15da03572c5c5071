"""Image accounting for an operator: how many images met which fate."""

import asyncio

import asyncpg

from livetrap.stack.status import read_ledger
from runtime.errors import FatalError, TransientError
from runtime.postgres import AWAY_ERRORS
from runtime.settings import Settings

__all__ = ["fetch_ledger", "render_ledger"]

_TIMEOUT_S = 10.0


def fetch_ledger(settings: Settings) -> dict[str, int]:
    """Return the number of images by outcome.

    Parameters
    ----------
    settings : Settings
        Where the database is.

    Returns
    -------
    dict
        Counts by outcome; outcomes that never occurred are absent.

    Raises
    ------
    TransientError
        If the database is away.
    FatalError
        If it refuses us or has no ledger.
    """
    return asyncio.run(_fetch(settings.postgres.url.get_secret_value()))


def render_ledger(ledger: dict[str, int]) -> str:
    """Return one line an outcome, and their sum."""
    rows = [*ledger.items(), ("total", sum(ledger.values()))]
    return "\n".join(f"{outcome:<12}{count:>12}" for outcome, count in rows)


async def _fetch(postgres_url: str) -> dict[str, int]:
    try:
        connection = await asyncpg.connect(postgres_url, timeout=_TIMEOUT_S)
        try:
            return await read_ledger(connection)
        finally:
            await connection.close()
    except asyncpg.UndefinedTableError as error:
        raise FatalError("this database has no ledger; run `livetrap migrate`") from error
    except AWAY_ERRORS as error:
        raise TransientError(
            f"PostgreSQL is away: {error!r}; is the stack up? (LIVETRAP_POSTGRES__URL)"
        ) from error
    except asyncpg.PostgresError as error:
        raise FatalError(f"PostgreSQL refuses: {error} (LIVETRAP_POSTGRES__URL)") from error

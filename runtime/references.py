"""Whether reference catalogues have sources at positions: what rules ask."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import asyncpg

from runtime.sql import Queries

__all__ = ["Lend", "ReferenceMatch", "match_references"]

Lend = Callable[
    [], AbstractAsyncContextManager[asyncpg.Connection | asyncpg.pool.PoolConnectionProxy]
]

_QUERIES = Queries("runtime")


class ReferenceMatch(Protocol):
    """A catalogue and a radius that rules name."""

    @property
    def key(self) -> str:
        """Name of the answer."""
        ...

    @property
    def catalogue(self) -> str:
        """Name of the catalogue."""
        ...

    @property
    def radius_arcsec(self) -> float:
        """Largest distance [arcsec]."""
        ...


async def match_references(
    lend: Lend,
    positions: Sequence[tuple[float, float]],
    matches: Collection[ReferenceMatch],
) -> list[dict[str, bool]]:
    """Return for each position, by the key of each match, whether its catalogue has a source.

    Parameters
    ----------
    lend : callable
        Gives a connection for a block; it is not called if there is nothing to ask.
    positions : sequence of (float, float)
        Right ascension and declination, ICRS [deg].
    matches : collection of ReferenceMatch
        Catalogues and radii.

    Raises
    ------
    Exception
        What `lend` raises if the database is away.
    """
    answers: list[dict[str, bool]] = [{} for _ in positions]
    if not matches or not positions:
        return answers
    async with lend() as connection:
        rows = await _QUERIES.fetch(
            connection,
            "match_references",
            ra=[ra for ra, _ in positions],
            dec=[dec for _, dec in positions],
            key=[match.key for match in matches],
            catalogue=[match.catalogue for match in matches],
            radius_arcsec=[match.radius_arcsec for match in matches],
        )
    for row in rows:
        answers[row["number"]][row["key"]] = row["is_there"]
    return answers

"""Queries are translated one at a time: one of 16 kB takes half a second of CPU time."""

import asyncio

from api.models.tap import Catalogue, Translation
from api.storage.budget import ClientBudget

__all__ = ["Translator"]

_WAITING, _WAIT_S = 16, 15.0


class Translator:
    """Lets one query of an address wait for its turn, and one of all be translated.

    Threads of an interpreter take turns with its event loop: with twenty at work a list takes a
    third of a second, and there is none left to write tables.
    """

    def __init__(self) -> None:
        self._budget = ClientBudget(
            running=1, waiting=_WAITING, wait_s=_WAIT_S, questions="query of TAP"
        )
        self._turn = asyncio.Lock()

    async def translate(
        self, query: str, catalogue: Catalogue, *, client: str | None
    ) -> Translation:
        """Return a query of ADQL as SQL.

        Parameters
        ----------
        query : str
            One SELECT.
        catalogue : Catalogue
            The tables that can be asked.
        client : str or None
            Address of who asks; None: a job.

        Raises
        ------
        AdqlError
            If it is not ADQL, or more than is answered here.
        ProblemError
            503 if the address has too many queries.
        """
        if client is None:
            return await self._translate(query, catalogue)
        async with self._budget.turn(client):
            return await self._translate(query, catalogue)

    async def _translate(self, query: str, catalogue: Catalogue) -> Translation:
        from api.steps.adql.translation import translate  # noqa: PLC0415  (slow to import)

        async with self._turn:
            return await asyncio.to_thread(translate, query, catalogue)

"""How many expensive questions one client may have at a time."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.errors import ProblemError
from api.metrics import QUESTIONS_REFUSED
from runtime.listening import site_of

__all__ = ["ClientBudget"]


class ClientBudget:
    """Lets each address have a few expensive questions running, and some more waiting.

    Parameters
    ----------
    running : int
        Questions of one address that run at a time.
    waiting : int
        Questions of one address that wait for these.
    wait_s : float
        How long one waits [s].
    questions : str
        What they are, for who has too many.
    """

    def __init__(
        self,
        *,
        running: int,
        waiting: int,
        wait_s: float,
        questions: str = "expensive questions (exports, lists by a statistic)",
    ) -> None:
        self._questions = questions
        self._running = running
        self._waiting = waiting
        self._wait_s = wait_s
        self._asked: Counter[str] = Counter()
        self._turns: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """Wait for a turn of the client.

        Raises
        ------
        ProblemError
            503 if it has too many questions, or none of them ends in time.
        """
        party = site_of(host)
        if self._asked[party] >= self._running + self._waiting:
            raise self._refuse()
        self._asked[party] += 1
        turns = self._turns.setdefault(party, asyncio.Semaphore(self._running))
        try:
            await self._acquire(turns)
            try:
                yield
            finally:
                turns.release()
        finally:
            self._asked[party] -= 1
            if not self._asked[party]:
                del self._asked[party], self._turns[party]

    async def _acquire(self, turns: asyncio.Semaphore) -> None:
        try:
            async with asyncio.timeout(self._wait_s):
                await turns.acquire()
        except TimeoutError:
            raise self._refuse() from None

    def _refuse(self) -> ProblemError:
        QUESTIONS_REFUSED.inc()
        return ProblemError(
            503,
            f"your address asks more than {self._running} {self._questions} at a time; "
            "ask them one after another",
        )

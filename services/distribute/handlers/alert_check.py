"""Topic ``alerts-voevent-v1``: only what is an alert of the database goes on to anybody."""

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NoReturn

from runtime.dead_letters import DeadLetters
from runtime.errors import RejectedMessageError, TransientError
from runtime.kafka import InMessage
from runtime.logging import get_logger
from schemas.reasons import MessageReason
from services.distribute.steps.packet import MAX_IVORN_CHARS, OwnPackets, read_ivorn
from services.distribute.storage import AlertStore

__all__ = ["AlertCheck"]

# Of one statement.
_LIMIT = 500
# Messages of one turn of the event loop, in which nobody else has it: some milliseconds.
_PART = 20
_MAX_REMEMBERED = 20_000
# What waits here [messages, bytes]: more stays on Kafka.
_MOST_WAITING, _MOST_WAITING_BYTES = 2000, 16 << 20
_DEAD_LETTERS_CHECK_S = 0.1
# Longer, and the alerts do not wait for the database; it is asked again later.
_ANSWER_S, _PAUSE_S = 1.0, 5.0


class AlertCheck:
    """Passes on the messages whose bytes are those of an alert of the database.

    An alert is stored before it is sent, so that what is not stored was written by somebody else:
    it becomes a dead letter. While the database is away, alerts go on by what they say: those of
    this authority that are valid VOEvents.

    Under a flood nothing is taken while much waits, or while many dead letters are not on Kafka
    yet. Alerts that are late by that come from the database.

    Parameters
    ----------
    store : AlertStore
        What exists.
    authority : str
        That of this installation.
    pass_on : callable
        Gets the alerts, some at a time.
    dead_letters : DeadLetters
        Get the others.
    """

    def __init__(
        self,
        store: AlertStore,
        *,
        authority: str,
        pass_on: Callable[[Sequence[InMessage]], None],
        dead_letters: DeadLetters,
    ) -> None:
        self._store = store
        self._own = OwnPackets(authority)
        self._pass_on = pass_on
        self._dead_letters = dead_letters
        self._waiting: deque[InMessage] = deque()
        self._n_bytes_waiting = 0
        self._has_room = asyncio.Event()
        self._has_arrived = asyncio.Event()
        self._known: dict[str, bytes] = {}
        self._ask_again_s = 0.0

    async def on_messages(self, messages: Sequence[InMessage]) -> None:
        """Take messages in their order when there is room for them; `run` looks at them."""
        while self._is_full():
            self._has_room.clear()
            await self._has_room.wait()
        self._waiting.extend(messages)
        self._n_bytes_waiting += sum(len(each.value) for each in messages)
        self._has_arrived.set()

    def _is_full(self) -> bool:
        return len(self._waiting) >= _MOST_WAITING or self._n_bytes_waiting >= _MOST_WAITING_BYTES

    async def run(self) -> NoReturn:
        """Check what has arrived, until the task is cancelled."""
        while True:
            await self._has_arrived.wait()
            self._has_arrived.clear()
            while self._waiting:
                n_messages = min(len(self._waiting), _LIMIT)
                messages = [self._waiting.popleft() for _ in range(n_messages)]
                await self._check(messages)
                self._n_bytes_waiting -= sum(len(each.value) for each in messages)
                self._has_room.set()

    async def _check(self, messages: Sequence[InMessage]) -> None:
        has_answer = await self._learn([_claimed_by(message) for message in messages])
        for first in range(0, len(messages), _PART):
            while self._dead_letters.is_full:  # noqa: ASYNC110  (a thread sends them)
                await asyncio.sleep(_DEAD_LETTERS_CHECK_S)
            part = messages[first : first + _PART]
            alerts = [each for each in part if self._is_alert(each, has_answer=has_answer)]
            if alerts:
                self._pass_on(alerts)
            await asyncio.sleep(0)

    async def _learn(self, ivorns: Sequence[str]) -> bool:
        """Ask the database for what is not known yet; return whether it answered."""
        unknown = sorted({each for each in ivorns if each and each not in self._known})
        if not unknown:
            return True
        if time.monotonic() < self._ask_again_s:
            return False
        try:
            async with asyncio.timeout(_ANSWER_S):
                found = await self._store.select_digests(unknown)
        except (TransientError, TimeoutError) as error:
            self._ask_again_s = time.monotonic() + _PAUSE_S
            get_logger().warning("alerts_not_checked", n=len(ivorns), error=str(error))
            return False
        self._known |= found
        while len(self._known) > _MAX_REMEMBERED:
            del self._known[next(iter(self._known))]
        return True

    def _is_alert(self, message: InMessage, *, has_answer: bool) -> bool:
        """Return whether a message goes on; else it is a dead letter."""
        digest = self._known.get(_claimed_by(message))
        if digest is not None and digest == hashlib.sha256(message.value).digest():
            return True
        try:
            if not has_answer and digest is None:
                self._own.check(message.value)
                return True
            reason = f"{read_ivorn(message.value)} is no alert of the database with these bytes"
        except RejectedMessageError as error:
            self._dead_letters.add(message, error)
        else:
            unknown = RejectedMessageError(MessageReason.UNKNOWN_ALERT, reason)
            self._dead_letters.add(message, unknown)
        return False


def _claimed_by(message: InMessage) -> str:
    """Return the ivorn that a message claims, by its header or by its packet; else nothing."""
    ivorn = message.headers.get("ivorn", "")
    if not ivorn:
        try:
            ivorn = read_ivorn(message.value)
        except RejectedMessageError:
            return ""
    # What no column takes would keep the database from answering about the others.
    is_storable = ivorn.isascii() and ivorn.isprintable() and len(ivorn) <= MAX_IVORN_CHARS
    return ivorn if is_storable else ""

"""The port for authors elsewhere: a VOEvent in, stored, acknowledged, given to our subscribers.

References
----------
Swinbank et al. (2017), VOEvent Transport Protocol 2.0, IVOA Recommendation; arXiv:1709.01264.
"""

import asyncio
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import NoReturn

from runtime.errors import FatalError, RejectedMessageError, TransientError
from runtime.listening import create_listener
from runtime.logging import get_logger
from runtime.settings import VtpSettings
from services.alert.handlers.subscriber import host_of
from services.alert.metrics import SUBMISSIONS
from services.alert.models import Submission
from services.alert.steps.connection_limiter import ConnectionLimiter
from services.alert.steps.submission import (
    MAX_SUBMISSION_BYTES,
    SubmissionError,
    SubmissionValidator,
)
from services.alert.steps.transport import build_transport, frame
from services.alert.storage import SubmissionStore

__all__ = ["VtpReceiver"]

_TIMEOUT_S = 20.0  # as Comet's
_STORE_TIMEOUT_S = 10.0
_LINGER_S = 1.0
_LINGER_BYTES = 1 << 20
_CLOSE_TIMEOUT_S = 2.0
_BACKLOG = 512
_MARK_EVERY_S = 0.2
# Subscribers come back first; they would miss what is relayed to nobody.
_SETTLE_S = 5.0
_SWEEP_EVERY_S = 30.0
# Beyond this no connection is still about to relay what it stored.
_FORGOTTEN_AFTER_S = 2 * _TIMEOUT_S
_DELETE_EVERY_S = 3600.0
_LONGEST = timedelta(days=30)  # as Comet's
_SEEN = "previously seen by this broker"
_LATER = "this broker cannot store it now; try again later"


class VtpReceiver:
    """Takes one VOEvent a connection; whatever comes, subscribers do not notice.

    Parameters
    ----------
    settings : VtpSettings
        Where to listen, who may, and the limits.
    authority : str
        Ours; events in its name are refused.
    store : SubmissionStore
        Where events are before they are acknowledged.
    relay : callable
        The way to the subscribers; never waits.
    """

    def __init__(
        self,
        settings: VtpSettings,
        authority: str,
        *,
        store: SubmissionStore,
        relay: Callable[[bytes], int],
    ) -> None:
        self._settings = settings
        self._local_ivo = f"ivo://{authority}/livetrap"
        self._store = store
        self._relay = relay
        self._gate = SubmissionValidator(authority)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="submission")
        self._limiter = ConnectionLimiter(
            settings, allow=settings.submit_allow, per_minute=settings.submit_per_minute
        )
        # One at a time: authors must not take the alerts' connections to the database.
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._unmarked: set[int] = set()
        self._server: asyncio.Server | None = None
        self._is_closing = False
        self._started_s = 0.0

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        SettingsError
            If the address is taken or not ours.
        """
        self._started_s = time.monotonic()
        listener = create_listener(
            self._settings.host,
            self._settings.submit_port or 0,
            settings="LIVETRAP_VTP__HOST, LIVETRAP_VTP__SUBMIT_PORT",
        )
        self._server = await asyncio.start_server(
            self._on_connect, sock=listener, backlog=_BACKLOG
        )
        get_logger().info("vtp_receiver_started", host=self._settings.host, port=self.port)

    @property
    def port(self) -> int:
        """Port in use; of interest where 0 was asked for."""
        if self._server is None:
            raise RuntimeError("the submission server is not started")
        return int(self._server.sockets[0].getsockname()[1])

    async def aclose(self) -> None:
        """Stop listening and end every connection."""
        self._is_closing = True
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSE_TIMEOUT_S)
        with suppress(TransientError, TimeoutError):  # then it is relayed again
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._mark()
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def run(self) -> NoReturn:
        """Mark what was relayed, relay what was forgotten, delete what is old, for ever."""
        sweep_s = delete_s = self._started_s + _SETTLE_S
        while True:
            await asyncio.sleep(_MARK_EVERY_S)
            now_s = time.monotonic()
            try:
                await self._mark()
                if now_s >= sweep_s:
                    await self._sweep(now_s)
                    sweep_s = now_s + _SWEEP_EVERY_S
                if now_s >= delete_s:
                    await self._store.delete_older(_LONGEST)
                    delete_s = now_s + _DELETE_EVERY_S
            except TransientError as error:
                get_logger().debug("submissions_wait", n=len(self._unmarked), error=str(error))

    async def _mark(self) -> None:
        ids = list(self._unmarked)
        if ids:
            await self._store.mark_relayed(ids)
            self._unmarked.difference_update(ids)

    async def _sweep(self, now_s: float) -> None:
        """Relay what an earlier process left, or a connection that broke off while it stored."""
        least_age_s = min(now_s - self._started_s, _FORGOTTEN_AFTER_S)
        for each in await self._store.list_unrelayed(timedelta(seconds=least_age_s)):
            if each.id not in self._unmarked:
                self._hand_on(each)

    def _hand_on(self, submission: Submission) -> None:
        n_subscribers = self._relay(submission.packet)
        self._unmarked.add(submission.id)
        get_logger().info("submission_relayed", ivorn=submission.ivorn, subscribers=n_subscribers)

    async def _on_connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host = host_of(writer)
        now_s = asyncio.get_running_loop().time()
        reason = "stopped" if self._is_closing else self._limiter.refuse(host, now_s)
        if reason is not None:
            SUBMISSIONS.labels(reason).inc()
            writer.transport.abort()
            return
        # A task of its own: the streams module would report our cancellation as an error.
        task = asyncio.create_task(self._serve(reader, writer, host))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str
    ) -> None:
        outcome = "stopped"
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                outcome = await self._converse(reader, writer, host)
        except TimeoutError:
            outcome = "stalled"
        except (asyncio.IncompleteReadError, OSError):
            outcome = "closed"
        finally:
            writer.transport.abort()
            self._limiter.leave(host)
            SUBMISSIONS.labels(outcome).inc()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str
    ) -> str:
        """Hear one event and answer it; return what became of it."""
        try:
            submission = await self._take(await _read(reader), host)
        except SubmissionError as error:
            get_logger().info(
                "submission_refused", peer=host, ivorn=error.ivorn, reason=str(error)
            )
            await self._say("nak", error.ivorn, writer, result=str(error))
            outcome = error.outcome
        else:
            try:
                await self._say("ack", submission.ivorn, writer)
            finally:  # it is stored: whether the author hears of it or not
                self._hand_on(submission)
            outcome = "taken"
        await _linger(reader, writer)
        return outcome

    async def _take(self, packet: bytes, host: str) -> Submission:
        """Return the event, stored."""
        loop = asyncio.get_running_loop()
        ivorn = await loop.run_in_executor(self._executor, self._gate.read_ivorn, packet)
        try:
            async with asyncio.timeout(_STORE_TIMEOUT_S), self._turn:
                submission = await self._store.add(ivorn, packet, host)
        except (TransientError, TimeoutError) as error:
            raise SubmissionError(_LATER, ivorn, outcome="later") from error
        except RejectedMessageError as error:
            raise SubmissionError("this broker cannot store it", ivorn) from error
        except FatalError as error:
            get_logger().error("submissions_not_stored", error=str(error))
            raise SubmissionError(_LATER, ivorn, outcome="later") from error
        if submission is None:
            raise SubmissionError(_SEEN, ivorn, outcome="seen")
        return submission

    async def _say(
        self, role: str, ivorn: str, writer: asyncio.StreamWriter, *, result: str = ""
    ) -> None:
        origin = ivorn or self._local_ivo
        answer = build_transport(role, origin, response=self._local_ivo, result=result)
        writer.write(frame(answer))
        await writer.drain()


async def _read(reader: asyncio.StreamReader) -> bytes:
    (length,) = struct.unpack("!I", await reader.readexactly(4))
    if length > MAX_SUBMISSION_BYTES:
        raise SubmissionError(
            f"{length} bytes; at most {MAX_SUBMISSION_BYTES}, behind their number as 4 bytes, "
            "the highest first"
        )
    return await reader.readexactly(length)


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Let the author read the answer: closing on unread bytes would take it away."""
    with suppress(OSError, TimeoutError):
        writer.write_eof()
        async with asyncio.timeout(_LINGER_S):
            n_bytes = 0
            while n_bytes < _LINGER_BYTES and (rest := await reader.read(1 << 16)):
                n_bytes += len(rest)

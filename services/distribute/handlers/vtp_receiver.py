"""The port for authors: a VOEvent in, stored, acknowledged, relayed to the VTP subscribers.

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

from runtime.errors import FatalError, RejectedMessageError, TransientError
from runtime.listening import create_listener
from runtime.logging import get_logger
from runtime.settings import VtpSettings
from services.distribute.errors import SubmissionError
from services.distribute.handlers.subscriber import host_of
from services.distribute.metrics import SUBMISSIONS
from services.distribute.models import Submission
from services.distribute.steps.connection_limiter import ConnectionLimiter
from services.distribute.steps.submission import MAX_SUBMISSION_BYTES, SubmissionValidator
from services.distribute.steps.transport import build_transport, frame
from services.distribute.storage import SubmissionStore

__all__ = ["CONNECTION_TIMEOUT_S", "VtpReceiver"]

CONNECTION_TIMEOUT_S = 20.0  # as Comet's
_STORE_TIMEOUT_S = 10.0
_LINGER_S = 1.0
_LINGER_BYTES = 1 << 20
_CLOSE_TIMEOUT_S = 2.0
_BACKLOG = 512
_DUPLICATE = "previously seen by this broker"
_LATER = "this broker cannot store it now; try again later"


class VtpReceiver:
    """Accepts one VOEvent a connection; whatever arrives, subscribers do not notice.

    Parameters
    ----------
    settings : VtpSettings
        Where to listen, which addresses may connect, and the limits.
    authority : str
        Authority of this installation; events of other authors under it are refused.
    store : SubmissionStore
        Where events are stored before they are acknowledged.
    relay : callable
        Relays a stored event to the subscribers; never waits.
    """

    def __init__(
        self,
        settings: VtpSettings,
        authority: str,
        *,
        store: SubmissionStore,
        relay: Callable[[Submission], None],
    ) -> None:
        self._settings = settings
        self._local_ivo = f"ivo://{authority}/livetrap"
        self._store = store
        self._relay = relay
        self._validator = SubmissionValidator(authority)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="submission")
        self._limiter = ConnectionLimiter(
            settings, allow=settings.submit_allow, per_minute=settings.submit_per_minute
        )
        # One at a time: authors must not occupy all connections to the database.
        self._storing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._is_closing = False

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        SettingsError
            If the address is in use or not one of this machine.
        """
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
            raise RuntimeError("the receiver is not started")
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
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _on_connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host = host_of(writer)
        reason = "stopped" if self._is_closing else self._limiter.admit(host, time.monotonic())
        if reason is not None:
            SUBMISSIONS.labels(reason).inc()
            writer.transport.abort()
            return
        # A task of its own: the streams module would report a cancellation as an error.
        task = asyncio.create_task(self._serve(reader, writer, host))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str
    ) -> None:
        outcome = "stopped"
        try:
            async with asyncio.timeout(CONNECTION_TIMEOUT_S):
                outcome = await self._receive(reader, writer, host)
        except TimeoutError:
            outcome = "stalled"
        except (asyncio.IncompleteReadError, OSError):
            outcome = "closed"
        except Exception:  # noqa: BLE001  (whatever it is: it ends one connection)
            get_logger().exception("submission_failed", peer=host)
            outcome = "failed"
        finally:
            writer.transport.abort()
            self._limiter.release(host)
            SUBMISSIONS.labels(outcome).inc()

    async def _receive(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str
    ) -> str:
        """Read one event and answer it; return the outcome."""
        try:
            submission = await self._accept(await _read(reader), host)
        except SubmissionError as error:
            get_logger().info(
                "submission_refused", peer=host, ivorn=error.ivorn, reason=str(error)
            )
            await self._answer("nak", error.ivorn, writer, result=str(error))
            outcome = error.outcome
        else:
            try:
                await self._answer("ack", submission.ivorn, writer)
            finally:  # it is stored, whether the answer arrives or not
                self._relay(submission)
            outcome = "accepted"
        await _linger(reader, writer)
        return outcome

    async def _accept(self, packet: bytes, host: str) -> Submission:
        """Return the event, validated and stored."""
        loop = asyncio.get_running_loop()
        ivorn = await loop.run_in_executor(self._executor, self._validator.read_ivorn, packet)
        try:
            async with asyncio.timeout(_STORE_TIMEOUT_S), self._storing:
                submission = await self._store.add(ivorn, packet, host)
        except (TransientError, TimeoutError) as error:
            raise SubmissionError(_LATER, ivorn, outcome="later") from error
        except RejectedMessageError as error:
            raise SubmissionError("this broker cannot store it", ivorn) from error
        except FatalError as error:
            get_logger().error("submission_not_stored", ivorn=ivorn, error=str(error))
            raise SubmissionError(_LATER, ivorn, outcome="later") from error
        if submission is None:
            raise SubmissionError(_DUPLICATE, ivorn, outcome="duplicate")
        return submission

    async def _answer(
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
    """Let the author read the answer: closing on unread bytes would discard it."""
    with suppress(OSError, TimeoutError):
        writer.write_eof()
        async with asyncio.timeout(_LINGER_S):
            n_bytes = 0
            while n_bytes < _LINGER_BYTES and (rest := await reader.read(1 << 16)):
                n_bytes += len(rest)

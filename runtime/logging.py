"""Structured logs: JSON lines for machines, colours on a terminal."""

import json
import logging
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO, cast


@contextmanager
def _hidden(*packages: str) -> Iterator[None]:
    """Let imports not find packages that are not imported yet."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: not to be found
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


# structlog takes what it finds to draw tracebacks, which no log here has: a sixth of the CPU time
# that a process needs to start.
with _hidden("rich", "twisted"):
    import structlog

__all__ = [
    "LossyStream",
    "RateLimitedHandler",
    "RateLimiter",
    "configure_library_logging",
    "configure_logging",
    "get_logger",
    "log_to_stderr",
]

_LOG_INTERVAL_S = 30.0
_MAX_DETAIL_CHARS = 500


def configure_logging(service: str, *, level: str = "INFO") -> None:
    """Send this process's logs to stderr, one line an event.

    Parameters
    ----------
    service : str
        Name bound to every line.
    level : str
        Lowest level that is written.
    """
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", LossyStream(sys.stderr))),
    )
    structlog.contextvars.bind_contextvars(service=service)
    configure_library_logging()


def log_to_stderr() -> None:
    """Send warnings of a command to stderr: its standard output is for scripts."""
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """Return a logger that knows the service it runs in."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


class LossyStream:
    """A text stream whose writes never raise: a log on a full disk ends no process.

    Lines that cannot be written are dropped; the first one that can be is preceded by one with
    their number.

    Parameters
    ----------
    stream : file
        Where to write.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._n_dropped = 0

    def write(self, text: str) -> int:
        """Write and flush a text, or count it as dropped."""
        try:
            if self._n_dropped:
                gap = {
                    "event": "log_lines_dropped",
                    "level": "warning",
                    "n_lines": self._n_dropped,
                }
                self._stream.write(f"{json.dumps(gap)}\n")
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream is closed
            self._n_dropped += 1
        else:
            self._n_dropped = 0
        return len(text)

    def flush(self) -> None:
        """Do nothing: `write` flushes."""


class RateLimiter:
    """Allows one event of a kind in an interval.

    Parameters
    ----------
    interval_s : float
        Least time between two events of a kind [s].
    """

    def __init__(self, interval_s: float = _LOG_INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._last_s: dict[str, float] = {}

    def allows(self, kind: str = "") -> bool:
        """Return whether an event of `kind` may happen now; if so, it counts as the last."""
        now_s = time.monotonic()
        if now_s - self._last_s.get(kind, float("-inf")) < self._interval_s:
            return False
        self._last_s[kind] = now_s
        return True


class RateLimitedHandler(logging.Handler):
    """Write warnings of libraries as `library_warning`, one line per library in an interval.

    Parameters
    ----------
    limiter : RateLimiter, optional
        Decides which records are written; the others are dropped.
    """

    def __init__(self, limiter: RateLimiter | None = None) -> None:
        super().__init__(logging.WARNING)
        self._limiter = limiter or RateLimiter()

    def emit(self, record: logging.LogRecord) -> None:
        """Write `record`, unless its logger has had its line in this interval."""
        if not self._limiter.allows(record.name):
            return
        error = record.exc_info[1] if record.exc_info else None
        get_logger().warning(
            "library_warning",
            library=record.name,
            detail=record.getMessage()[:_MAX_DETAIL_CHARS],
            error=None if error is None else repr(error),
        )


def configure_library_logging(errors_only: Sequence[str] = ()) -> None:
    """Write warnings of libraries, and exceptions of their threads, as structured log lines.

    Parameters
    ----------
    errors_only : sequence of str
        Loggers whose warnings are dropped: those of normal operation.
    """
    threading.excepthook = _on_thread_failure
    logging.getLogger().handlers = [RateLimitedHandler()]
    for name in errors_only:
        logging.getLogger(name).setLevel(logging.ERROR)


def _on_thread_failure(failure: threading.ExceptHookArgs) -> None:
    get_logger().warning("thread_failed", error=repr(failure.exc_value))

"""What faust, mode, aiokafka, asyncpg and asyncio log, in our form and not too often."""

import logging
import threading
import time

from runtime.logging import get_logger

__all__ = ["configure_library_logging"]

_LOG_EVERY_S = 30.0
_LONGEST_DETAIL = 500


class _Bridge(logging.Handler):
    """Write the first complaint in half a minute as one of our lines; leave out the rest."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last_s = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        now_s = time.monotonic()
        if now_s - self._last_s < _LOG_EVERY_S:
            return
        self._last_s = now_s
        error = record.exc_info[1] if record.exc_info else None
        get_logger().warning(
            "library_warning",
            library=record.name,
            detail=record.getMessage()[:_LONGEST_DETAIL],
            error=None if error is None else repr(error),
        )


def _on_thread_failure(failure: threading.ExceptHookArgs) -> None:
    # faust's consumer thread ends so when it is stopped while Kafka is away.
    get_logger().warning("thread_failed", error=repr(failure.exc_value))


def configure_library_logging() -> None:
    """Make other people's loggers and threads speak through ours, and rarely."""
    threading.excepthook = _on_thread_failure
    logging.getLogger().handlers = [_Bridge()]
    for name in ("faust", "mode", "aiokafka"):
        logging.getLogger(name).setLevel(logging.ERROR)  # they warn of every rebalance

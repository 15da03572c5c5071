"""Structured logs: JSON lines for machines, colours on a terminal."""

import logging
import sys

import structlog

__all__ = ["configure_logging", "get_logger"]


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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """Return a logger that knows the service it runs in."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger

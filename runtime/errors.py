"""The error tree: a class is chosen by what happens to the message."""

import traceback
from pathlib import PurePath

__all__ = [
    "FatalError",
    "PipelineError",
    "RejectedMessageError",
    "SettingsError",
    "TransientError",
    "describe_exception",
    "to_internal_error",
    "to_storable_text",
]

_MOST_FRAMES = 3
_LONGEST_DESCRIPTION = 1000


class PipelineError(Exception):
    """Base of all errors that LiveTrap raises on purpose; the text is for a person."""


class TransientError(PipelineError):
    """A dependency (broker, database) is unavailable: keep the offset, back off, try again."""


class RejectedMessageError(PipelineError):
    """The message can never be processed: send it to the dead letters, continue with the next.

    Parameters
    ----------
    reason_code : str
        Stable machine-readable code, snake_case, such as ``no_beam``.
    message : str
        What is wrong, where, and how to correct it.
    """

    def __init__(self, reason_code: str, message: str) -> None:
        super().__init__(message)
        self.reason_code = reason_code


class FatalError(PipelineError):
    """The process cannot continue (incompatible schema, missing migration): log and exit."""


class SettingsError(FatalError):
    """A setting is unknown or invalid; one line names it and says how to correct it."""


def describe_exception(error: BaseException) -> str:
    """Return an exception and where it was raised, for the header of a dead letter."""
    frames = [
        f"{'/'.join(PurePath(frame.filename).parts[-3:])}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
    ]
    text = f"{type(error).__name__}: {error} ({' > '.join(frames) or 'no frames'})"
    line = " ".join(text.split())[:_LONGEST_DESCRIPTION]
    return to_storable_text(line)


def to_storable_text(text: str) -> str:
    """Return a text that headers of Kafka and columns of PostgreSQL take, in one line.

    What is not printable, such as a NUL or half of a surrogate pair, becomes a question mark.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def to_internal_error(error: Exception) -> RejectedMessageError:
    """Return the rejection of a message whose handling raised an unexpected exception."""
    return RejectedMessageError("internal_error", describe_exception(error))

"""The error tree: a class is chosen by what happens to the message."""

__all__ = [
    "FatalError",
    "PipelineError",
    "RejectedMessageError",
    "SettingsError",
    "TransientError",
]


class PipelineError(Exception):
    """Anything LiveTrap raises on purpose; its text is meant for a person."""


class TransientError(PipelineError):
    """The world is not ready (broker or database away): keep the offset, back off, try again."""


class RejectedMessageError(PipelineError):
    """The message can never be processed: dead-letter it with the reason, then go on.

    Parameters
    ----------
    reason_code : str
        Stable machine-readable code, snake_case, such as ``no_beam``.
    message : str
        What is wrong, where, and how to mend it.
    """

    def __init__(self, reason_code: str, message: str) -> None:
        super().__init__(message)
        self.reason_code = reason_code


class FatalError(PipelineError):
    """The process cannot go on (incompatible schema, missing migration): log and exit."""


class SettingsError(FatalError):
    """A setting is unknown or senseless: one line says which and how to mend it."""

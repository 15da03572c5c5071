"""What the distribute service raises."""

__all__ = ["CostlyError", "DeliveryError", "RefusedError", "SubmissionError", "TransportError"]


class DeliveryError(Exception):
    """An attempt to deliver failed; the message is the reason."""


class RefusedError(DeliveryError):
    """The receiver has read the alert and refuses it; its text is the reason that it gave."""


class TransportError(ValueError):
    """A peer violated the VOEvent Transport Protocol; the text is a stable code."""


class SubmissionError(Exception):
    """A VOEvent of another author is not accepted.

    Parameters
    ----------
    message : str
        For the author: what is wrong and how to mend it.
    ivorn : str
        Identifier of the event, as far as it is known.
    outcome : str
        ``refused``, ``duplicate`` or ``later``, for the metric.
    """

    def __init__(self, message: str, ivorn: str = "", *, outcome: str = "refused") -> None:
        super().__init__(message)
        self.ivorn = ivorn
        self.outcome = outcome


class CostlyError(Exception):
    """A subscription costs more than it may; the message tells its owner what and how much."""

"""Errors of the archive service."""

from runtime.errors import RejectedMessageError
from schemas.reasons import ForcedReason

__all__ = ["MissingImageError"]


class MissingImageError(RejectedMessageError):
    """Kafka has the image no longer.

    Parameters
    ----------
    reason : ForcedReason
        ``image_gone`` or ``image_elsewhere``.
    message : str
        Where it was.
    """

    def __init__(self, reason: ForcedReason, message: str) -> None:
        super().__init__(reason.value, message)

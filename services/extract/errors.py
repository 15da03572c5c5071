"""Errors of the extract service."""

from runtime.errors import RejectedMessageError
from schemas.reasons import ForcedReason, ImageReason

__all__ = ["RejectedImageError"]


class RejectedImageError(RejectedMessageError):
    """The image cannot be measured.

    Parameters
    ----------
    reason : ImageReason or ForcedReason
        Becomes `reason_code`.
    message : str
        What is wrong, where, and how to mend it.
    """

    def __init__(self, reason: ImageReason | ForcedReason, message: str) -> None:
        super().__init__(reason.value, message)

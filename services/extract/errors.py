"""What can be wrong with an image."""

from runtime.errors import RejectedMessageError

__all__ = ["RejectedImageError"]


class RejectedImageError(RejectedMessageError):
    """The image cannot be measured; the code and the text say why."""

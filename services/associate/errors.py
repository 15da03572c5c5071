"""What can go wrong while associating."""

from runtime.errors import TransientError

__all__ = ["FencedError"]


class FencedError(TransientError):
    """Another associator wrote this partition meanwhile: forget what we know, read again."""

"""What can go wrong while associating."""

from runtime.errors import TransientError

__all__ = ["FencedError"]


class FencedError(TransientError):
    """Another associator has written this partition: drop what is in memory and read again."""

"""What can go wrong while servers are fetched, started or stopped."""

from runtime.errors import PipelineError

__all__ = ["StackError"]


class StackError(PipelineError):
    """A part of the one-machine stack cannot be fetched, started or stopped."""

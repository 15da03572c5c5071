"""Errors of the ingest service."""

from runtime.errors import PipelineError

__all__ = ["NoFilesError"]


class NoFilesError(PipelineError):
    """A path names nothing that could be published."""

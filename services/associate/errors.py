"""What can go wrong while associating."""

from collections.abc import Sequence

from runtime.errors import TransientError

__all__ = ["FencedError", "UndecidedError"]


class FencedError(TransientError):
    """Another associator has written this partition: drop what is in memory and read again."""


class UndecidedError(TransientError):
    """A timestep is about sources that answers under way may remove from the catalogue.

    Parameters
    ----------
    stream_id : int
        Its stream.
    source_ids : sequence of int
        Those sources.
    """

    def __init__(self, stream_id: int, source_ids: Sequence[int]) -> None:
        super().__init__(f"{len(source_ids)} sources beside detections wait for answers")
        self.stream_id = stream_id
        self.source_ids = source_ids

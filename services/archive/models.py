"""What the archive service knows of a file."""

from dataclasses import dataclass

from schemas.reasons import ArchiveReason

__all__ = ["ExpiredFile"]


@dataclass(frozen=True, slots=True)
class ExpiredFile:
    """A file that is to be deleted.

    Parameters
    ----------
    image_id : str
        sha256 of its image.
    name : str
        Of the file.
    reason : ArchiveReason
        Why.
    """

    image_id: str
    name: str
    reason: ArchiveReason

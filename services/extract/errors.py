"""Errors of the extract service."""

from runtime.errors import RejectedMessageError
from schemas.reasons import ForcedReason, ImageReason
from sky.fits import FitsImage

__all__ = ["RejectedImageError", "SeveralPlanesError"]


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


class SeveralPlanesError(RejectedImageError):
    """The file has a cube or several images: it can be split into images of one plane.

    Parameters
    ----------
    data : bytes
        The unpacked FITS file.
    fits : FitsImage
        The images in it.
    """

    def __init__(self, data: bytes, fits: FitsImage) -> None:
        super().__init__(
            ImageReason.NOT_2D,
            f"the file has {fits.n_planes_of_file} planes (axes {fits.axes}) in "
            f"{1 + len(fits.others)} image(s); send one image a plane",
        )
        self.data = data
        self.fits = fits

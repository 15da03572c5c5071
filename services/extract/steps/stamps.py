"""Stamps on request: find the image, cut it around each place, write a file of each."""

import math
from collections.abc import Iterator
from itertools import islice

import numpy as np

from runtime.errors import RejectedMessageError
from runtime.logging import get_logger
from schemas.messages import ImageStamps, SourceOffset, StampFile, StampRequest
from schemas.reasons import ForcedReason, MessageReason
from services.extract.errors import RejectedImageError
from services.extract.models import Image
from services.extract.steps.forced_requests import find_fault
from services.extract.steps.images_again import ImagesAgain
from services.extract.steps.measurement import ImageMeasurer
from services.extract.steps.stamp_file import to_stamp_file
from sky.cutout import cut

__all__ = ["MAX_SIDE_PX", "StampCutter", "check_request", "without_stamps"]

MAX_SIDE_PX = 513
# More in one request would delay an image: a stamp takes a millisecond.
_MOST_STAMPS = 64
_MOST_TEXT = 68
# Pixels after which an image may come first: ten milliseconds of work.
_SLICE_PX = 100_000


class StampCutter:
    """Answers requests for stamps.

    Parameters
    ----------
    measurer : ImageMeasurer
        Has the latest images in memory.
    again : ImagesAgain
        Reads others.
    side_px : int
        Least side of a stamp; it has 10 beams where these are more [px].
    """

    def __init__(self, measurer: ImageMeasurer, again: ImagesAgain, *, side_px: int) -> None:
        self._measurer = measurer
        self._again = again
        self._side_px = side_px
        # The requests for one image follow one another.
        self._last: tuple[str, Image] | None = None

    def cut(self, request: StampRequest) -> Iterator[ImageStamps | None]:
        """Give the stamps of an image, or the reasons why there are none, last; None before.

        Whenever many pixels are done it gives None, so that a new image need not wait.
        """
        try:
            image = self._find_image(request.source, request.image_id)
        except RejectedImageError as error:
            get_logger().info(
                "stamp_image_missing", image_id=request.image_id, reason=error.reason_code
            )
            yield without_stamps(request, error.reason_code)
            return
        columns = request.stamps
        stamps: list[StampFile] = []
        n_px = 0
        for name, ra, dec in zip(
            columns.stamp_id, columns.ra.tolist(), columns.dec.tolist(), strict=True
        ):
            if n_px >= _SLICE_PX:
                n_px = 0
                yield None
            stamp, n_cut_px = self._cut_one(image, request.image_id, name, ra, dec)
            stamps.append(stamp)
            n_px += n_cut_px
        yield ImageStamps(request.image_id, request.stream, request.source, tuple(stamps))

    def reset(self) -> None:
        """Drop the image in memory."""
        self._last = None

    def _find_image(self, source: SourceOffset, image_id: str) -> Image:
        kept = self._measurer.at_hand(image_id)
        if kept is not None:
            return kept
        if self._last is None or self._last[0] != image_id:
            image = self._measurer.open(self._again.read(source, image_id))
            self._last = image_id, image
        return self._last[1]

    def _cut_one(
        self, image: Image, image_id: str, stamp_id: str, ra: float, dec: float
    ) -> tuple[StampFile, int]:
        """Return a stamp and how many pixels were cut for it."""
        metadata = image.metadata
        try:
            cutout = cut(
                image.pixels,
                image.wcs_header,
                ra,
                dec,
                beam_major_deg=metadata.beam_major_deg,
                least_side_px=self._side_px,
                max_side_px=MAX_SIDE_PX,
            )
        except ValueError:
            return StampFile(stamp_id, ForcedReason.OUTSIDE.value), 0
        if not np.isfinite(cutout.pixels).any():
            return StampFile(stamp_id, ForcedReason.BLANK.value), cutout.pixels.size
        cards = _to_cards(image, image_id) | {"STAMPID": stamp_id, "RA_SRC": ra, "DEC_SRC": dec}
        stamp = StampFile(stamp_id, data=to_stamp_file(cutout, cards))
        return stamp, cutout.pixels.size


def _to_cards(image: Image, image_id: str) -> dict[str, str | float]:
    """Return what a stamp says of its image."""
    metadata = image.metadata
    cards: dict[str, str | float | None] = {
        "BMAJ": metadata.beam_major_deg,
        "BMIN": metadata.beam_minor_deg,
        "BPA": metadata.beam_pa_deg,
        "RESTFRQ": metadata.freq_eff_hz,
        "RESTBW": metadata.freq_bw_hz,
        "STOKES": metadata.stokes,
        "DATE-OBS": f"{metadata.time_start:%Y-%m-%dT%H:%M:%S.%f}",
        "TIMESYS": "UTC",
        "EXPTIME": metadata.exposure_s,
        "TELESCOP": metadata.telescope,
        "IMAGEID": image_id,
    }
    return {
        name: _printable(value) if isinstance(value, str) else value
        for name, value in cards.items()
        if value is not None and (isinstance(value, str) or math.isfinite(value))
    }


def _printable(text: str) -> str:
    """Return a text that fits into a card; what is not printable ASCII becomes a question mark."""
    return "".join(
        each if " " <= each <= "~" and each != "'" else "?" for each in islice(text, _MOST_TEXT)
    )


def check_request(request: StampRequest) -> None:
    """Refuse a request whose answer nobody could store.

    Raises
    ------
    RejectedMessageError
        Code ``bad_record``; the text names the field.
    """
    what = find_fault(request.stream, request.image_id)
    names = request.stamps.stamp_id
    if what is None and len(names) > _MOST_STAMPS:
        what = f"{len(names)} stamps, more than {_MOST_STAMPS}"
    if what is None and not all(_is_name(name) for name in names):
        what = "stamp_id is not TrigID-role"
    if what is not None:
        raise RejectedMessageError(
            MessageReason.BAD_RECORD, f"request of stamp-requests-v1: {what}"
        )


def _is_name(text: str) -> bool:
    plain = text.replace("-", "")
    return text.isascii() and plain.isalnum() and len(text) <= _MOST_TEXT


def without_stamps(request: StampRequest, reason: str) -> ImageStamps:
    """Return an answer in which every stamp has the same reason instead of pixels."""
    stamps = tuple(StampFile(name, reason) for name in request.stamps.stamp_id)
    return ImageStamps(request.image_id, request.stream, request.source, stamps)

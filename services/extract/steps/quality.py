"""Quality control: reject images that are not fit for transient detection."""

from collections import defaultdict, deque
from dataclasses import dataclass, field

import numpy as np

from schemas.messages import FloatArray
from schemas.reasons import ImageReason
from services.extract.errors import RejectedImageError
from services.extract.models import Image
from services.extract.steps.bright_sources import nearest_bright_source

__all__ = ["QualityControl", "QualityLimits"]

_MIN_HISTORY = 5
# Far beyond the dynamic range of any image; float32 resolves 1e-7 of a pixel.
_LARGEST_SNR = 1e12


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """Limits of quality control; None or 0 sets no limit.

    rms in Jy/beam; `rms_history_images` of a stream and band give the mean and scatter from
    which a new rms may differ by `rms_history_sigma`; `max_blank_fraction` is of all pixels;
    `max_beam_axis_ratio` is major over minor; the nearest of `bright_sources` must be
    `min_bright_separation_deg` from the field's centre.
    """

    rms_min_jy_beam: float | None = None
    rms_max_jy_beam: float | None = None
    rms_history_images: int = 0
    rms_history_sigma: float = 5.0
    max_blank_fraction: float = 1.0
    max_beam_axis_ratio: float | None = None
    min_bright_separation_deg: float = 0.0
    bright_sources: tuple[str, ...] = ()
    max_sources: int = 200_000


@dataclass(slots=True)
class QualityControl:
    """Checks images, and keeps the rms history of the accepted ones.

    The history is that of this process: its key sends a band of a stream to one extractor, and
    a restart begins a new history.

    Parameters
    ----------
    limits : QualityLimits
        Limits of what is accepted.
    """

    limits: QualityLimits
    _history: dict[tuple[str, float, str], deque[float]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Start with an empty history."""
        self._history = defaultdict(lambda: deque(maxlen=self.limits.rms_history_images))

    def check_image(self, image: Image) -> None:
        """Check the beam, the blank pixels and the distance to bright sources.

        Raises
        ------
        RejectedImageError
            Codes ``elongated_beam``, ``too_blank``, ``near_bright_source``.
        """
        limits, header = self.limits, image.metadata
        ratio = header.beam_major_deg / header.beam_minor_deg
        if limits.max_beam_axis_ratio is not None and ratio > limits.max_beam_axis_ratio:
            raise RejectedImageError(
                ImageReason.ELONGATED_BEAM,
                f"the beam's axes have the ratio {ratio:.2f}, the limit is "
                f"{limits.max_beam_axis_ratio:g} (extract.max_beam_axis_ratio)",
            )
        if limits.max_blank_fraction < 1:
            blank = float(np.isnan(image.pixels).mean())
            if blank > limits.max_blank_fraction:
                raise RejectedImageError(
                    ImageReason.TOO_BLANK,
                    f"{100 * blank:.1f} % of the pixels are blank, the limit is "
                    f"{100 * limits.max_blank_fraction:g} % (extract.max_blank_fraction)",
                )
        if limits.min_bright_separation_deg > 0 and limits.bright_sources:
            self._check_bright_sources(image)

    def check_rms(self, stream: str, image: Image, rms_jy_beam: float) -> None:
        """Check the noise of an image, and add it to the history if it is accepted.

        Parameters
        ----------
        stream : str
            Name of its stream.
        image : Image
            The image.
        rms_jy_beam : float
            Median of its local rms [Jy/beam].

        Raises
        ------
        RejectedImageError
            Codes ``rms_too_low``, ``rms_too_high``, ``rms_unusual``.
        """
        limits = self.limits
        if limits.rms_min_jy_beam is not None and rms_jy_beam < limits.rms_min_jy_beam:
            raise RejectedImageError(
                ImageReason.RMS_TOO_LOW,
                f"rms {rms_jy_beam:.3g} Jy/beam is below {limits.rms_min_jy_beam:g} "
                "(extract.rms_min_jy_beam)",
            )
        if limits.rms_max_jy_beam is not None and rms_jy_beam > limits.rms_max_jy_beam:
            raise RejectedImageError(
                ImageReason.RMS_TOO_HIGH,
                f"rms {rms_jy_beam:.3g} Jy/beam is above {limits.rms_max_jy_beam:g} "
                "(extract.rms_max_jy_beam)",
            )
        if limits.rms_history_images:
            header = image.metadata
            self._check_history((stream, header.freq_eff_hz, header.stokes), rms_jy_beam)

    def check_count(self, n_sources: int) -> None:
        """Check the number of sources: a corrupt image may have one at every noise peak.

        Raises
        ------
        RejectedImageError
            Code ``too_many_sources``.
        """
        if n_sources > self.limits.max_sources:
            raise RejectedImageError(
                ImageReason.TOO_MANY_SOURCES,
                f"{n_sources} sources, the limit is {self.limits.max_sources} "
                "(extract.max_sources): check the noise of the image",
            )

    def check_snr(self, snr: FloatArray) -> None:
        """Check the S/N of the sources: pixels of 32 bits cannot hold such a source and its noise.

        Raises
        ------
        RejectedImageError
            Code ``diverged``.
        """
        largest = float(np.max(np.abs(snr), initial=0.0))
        if largest > _LARGEST_SNR:
            raise RejectedImageError(
                ImageReason.DIVERGED,
                f"a source has the S/N {largest:.2g}: its pixels and those of the noise are "
                "not of one image; write blank pixels as NaN",
            )

    def _check_history(self, key: tuple[str, float, str], rms_jy_beam: float) -> None:
        past = self._history[key]
        if len(past) >= min(_MIN_HISTORY, self.limits.rms_history_images):
            mean, scatter = float(np.mean(past)), float(np.std(past, ddof=1))
            # A history without scatter would reject any change: always allow 1 %.
            allowed = max(self.limits.rms_history_sigma * scatter, 0.01 * mean)
            if abs(rms_jy_beam - mean) > allowed:
                raise RejectedImageError(
                    ImageReason.RMS_UNUSUAL,
                    f"rms {rms_jy_beam:.3g} Jy/beam differs from the last {len(past)} images "
                    f"({mean:.3g} +- {scatter:.2g}) by more than "
                    f"{self.limits.rms_history_sigma:g} sigma (extract.rms_history_sigma)",
                )
        past.append(rms_jy_beam)

    def _check_bright_sources(self, image: Image) -> None:
        rows, columns = image.pixels.shape
        ra, dec = image.projection.to_sky(
            np.array([(columns - 1) / 2]), np.array([(rows - 1) / 2])
        )
        name, distance = nearest_bright_source(
            float(ra[0]), float(dec[0]), image.metadata.time_start, self.limits.bright_sources
        )
        if distance < self.limits.min_bright_separation_deg:
            raise RejectedImageError(
                ImageReason.NEAR_BRIGHT_SOURCE,
                f"{name} is {distance:.1f} deg from the field's centre, the limit is "
                f"{self.limits.min_bright_separation_deg:g} deg "
                "(extract.min_bright_separation_deg)",
            )

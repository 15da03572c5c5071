"""Which sources of a timestep deserve an event: new ones and variable ones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from runtime.settings import AssociateSettings
from schemas.messages import FloatArray, ImageDetections, ImageMetadata
from services.associate.models import LastNotified, PriorCoverage, StatisticsKey
from services.associate.steps.candidate_sources import CandidateSources, ImageResult
from services.associate.steps.coverage import margin_of
from services.associate.steps.new_source import find_deepest_rms

__all__ = ["AssociatedImage", "Trigger", "find_new_sources", "find_variables"]


@dataclass(frozen=True, slots=True)
class AssociatedImage:
    """An accepted image whose measurements have their sources."""

    id: int
    key: StatisticsKey
    record: ImageDetections
    metadata: ImageMetadata
    result: ImageResult


@dataclass(frozen=True, slots=True)
class Trigger:
    """A source, the measurement that speaks for it, and what it says.

    Parameters
    ----------
    source : int
        Row in the candidates.
    number : int
        Row in the image's measurements.
    limit_jy_beam : float or None
        What would have been detected there before [Jy/beam].
    about : LastNotified or None
        The transient that an update is about.
    note : str or None
        Why there is an update.
    """

    kind: str
    certainty: str
    source: int
    image: AssociatedImage
    number: int
    limit_jy_beam: float | None = None
    about: LastNotified | None = None
    note: str | None = None

    def because(self, note: str) -> "Trigger":
        """Return the same with a reason."""
        return replace(self, note=note)

    @property
    def snr(self) -> float:
        """Signal-to-noise ratio of the measurement."""
        return float(self.image.record.sources.snr[self.number])


def find_new_sources(
    candidates: CandidateSources,
    images: Sequence[tuple[AssociatedImage, Sequence[PriorCoverage]]],
    *,
    sigma_margin: float,
) -> list[Trigger]:
    """Return the created sources that somebody would have seen before, had they been there.

    Parameters
    ----------
    candidates : CandidateSources
        After association.
    images : sequence of (AssociatedImage, looks)
        Each with the deepest earlier looks of its channel.
    sigma_margin : float
        Added to the detection threshold [sigma].

    Returns
    -------
    list of Trigger
        One a source: its certain measurement of the highest S/N, else its possible one.
    """
    created = candidates.sources["is_created"] & (candidates.sources["parent"] < 0)
    best: dict[int, Trigger] = {}
    for image, looks in images:
        for trigger in _judge_image(image, looks, created, sigma_margin):
            rival = best.get(trigger.source)
            if rival is None or _rank(trigger) > _rank(rival):
                best[trigger.source] = trigger
    return [best[source] for source in sorted(best)]


def _rank(trigger: Trigger) -> tuple[bool, float]:
    return trigger.certainty == "certain", trigger.snr


def _judge_image(
    image: AssociatedImage,
    looks: Sequence[PriorCoverage],
    created: np.ndarray[tuple[int], np.dtype[np.bool_]],
    sigma_margin: float,
) -> list[Trigger]:
    numbers = np.nonzero(created[image.result.source])[0]
    if not looks or not numbers.size:
        return []
    sources = image.record.sources
    sigma = (image.record.detection_threshold_sigma or 0.0) + sigma_margin
    low, high = find_deepest_rms(
        sources.ra[numbers], sources.dec[numbers], looks, margin_px=margin_of(image.record)
    )
    flux: FloatArray = sources.flux_peak_jy_beam[numbers]
    return [
        Trigger(
            "new_source",
            "certain" if flux[each] > sigma * high[each] else "possible",
            int(image.result.source[numbers[each]]),
            image,
            int(numbers[each]),
            float(sigma * low[each]),
        )
        for each in np.nonzero(flux > sigma * low)[0]
    ]


def find_variables(
    candidates: CandidateSources, images: Sequence[AssociatedImage], settings: AssociateSettings
) -> list[Trigger]:
    """Return the known sources that have become variable, each once in its life.

    References
    ----------
    Swinbank et al. (2015), A&C 11, 25, section 4.8: the eta-V plane.
    """
    eta, v = candidates.variability(settings.variable_min_points)
    rows = candidates.sources
    variable = (
        rows["is_touched"]
        & ~(rows["is_created"] | rows["is_new"] | rows["is_variable"])
        & (eta >= settings.variable_eta)
        & (v >= settings.variable_v)
    )
    best: dict[int, Trigger] = {}
    for image in images:
        for number in np.nonzero(variable[image.result.source])[0]:
            source = int(image.result.source[number])
            trigger = Trigger("variable", "certain", source, image, int(number))
            if source not in best or trigger.snr > best[source].snr:
                best[source] = trigger
    return [best[source] for source in sorted(best)]

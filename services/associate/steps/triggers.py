"""Which sources of a timestep deserve an event: new ones and variable ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from runtime.settings import AssociateSettings
from schemas.messages import BoolArray, FloatArray, ImageDetections, ImageMetadata
from services.associate.models.catalogue import ChannelKey, LastNotified, PriorCoverage
from services.associate.models.solutions import NO_SOLUTION, ImageSolution
from services.associate.steps.candidate_sources import CandidateSources, ImageResult
from services.associate.steps.new_source import find_deepest_rms

__all__ = ["AssociatedImage", "Trigger", "find_new_sources", "find_variables", "is_first"]


@dataclass(frozen=True, slots=True)
class AssociatedImage:
    """An accepted image whose detections have their sources."""

    number: int
    key: ChannelKey
    record: ImageDetections
    metadata: ImageMetadata
    result: ImageResult
    solution: ImageSolution = NO_SOLUTION


@dataclass(frozen=True, slots=True)
class Trigger:
    """A source that deserves an event, and the detection that the event reports.

    Parameters
    ----------
    source : int
        Row of the candidates.
    detection : int
        Number of the detection in its image.
    limit_jy_beam : float or None
        Flux that an earlier image of the position would have detected [Jy/beam].
    last : LastNotified or None
        The transient that an update is about.
    note : str or None
        Reason for an update.
    """

    kind: str
    certainty: str
    source: int
    image: AssociatedImage
    detection: int
    limit_jy_beam: float | None = None
    last: LastNotified | None = None
    note: str | None = None

    def with_note(self, note: str) -> "Trigger":
        """Return the same with a reason."""
        return replace(self, note=note)

    @property
    def snr(self) -> float:
        """Signal-to-noise ratio of the detection."""
        return float(self.image.record.sources.snr[self.detection])


def is_first(candidates: CandidateSources) -> BoolArray:
    """Return which sources (n,) the timestep created, splits left out."""
    rows = candidates.sources
    return np.asarray(rows["is_created"] & (rows["parent"] < 0), np.bool_)


def find_new_sources(
    candidates: CandidateSources,
    images: Sequence[AssociatedImage],
    prior_coverage: Mapping[int, Sequence[PriorCoverage]],
    *,
    sigma_margin: float,
) -> list[Trigger]:
    """Return the created sources that an earlier image would have detected.

    Parameters
    ----------
    candidates : CandidateSources
        After association.
    images : sequence of AssociatedImage
        Of the timestep.
    prior_coverage : mapping
        Deepest earlier images of the channel, by the number of the image.
    sigma_margin : float
        Added to the detection threshold [sigma].

    Returns
    -------
    list of Trigger
        One a source: its certain detection of the highest S/N, else its possible one.
    """
    created = is_first(candidates)
    best: dict[int, Trigger] = {}
    for image in images:
        for trigger in _find_new(
            image, prior_coverage.get(image.number, ()), created, sigma_margin
        ):
            other = best.get(trigger.source)
            if other is None or _rank(trigger) > _rank(other):
                best[trigger.source] = trigger
    return [best[source] for source in sorted(best)]


def _rank(trigger: Trigger) -> tuple[bool, float]:
    return trigger.certainty == "certain", trigger.snr


def _find_new(
    image: AssociatedImage,
    prior_coverage: Sequence[PriorCoverage],
    created: BoolArray,
    sigma_margin: float,
) -> list[Trigger]:
    detections = np.nonzero(created[image.result.source])[0]
    if not prior_coverage or not detections.size:
        return []
    sources = image.record.sources
    sigma = (image.record.detection_threshold_sigma or 0.0) + sigma_margin
    low, high = find_deepest_rms(sources.ra[detections], sources.dec[detections], prior_coverage)
    flux: FloatArray = sources.flux_peak_jy_beam[detections]
    return [
        Trigger(
            "new_source",
            "certain" if flux[each] > sigma * high[each] else "possible",
            int(image.result.source[detections[each]]),
            image,
            int(detections[each]),
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
        rows["is_detected"]
        & ~(rows["is_created"] | rows["is_new"] | rows["is_variable"])
        & (eta >= settings.variable_eta)
        & (v >= settings.variable_v)
    )
    best: dict[int, Trigger] = {}
    for image in images:
        for detection in np.nonzero(variable[image.result.source])[0]:
            source = int(image.result.source[detection])
            trigger = Trigger("variable", "certain", source, image, int(detection))
            if source not in best or trigger.snr > best[source].snr:
                best[source] = trigger
    return [best[source] for source in sorted(best)]

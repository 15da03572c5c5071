"""What begins an event, and which sources of a timestep are new."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import numpy as np

from schemas.messages import BoolArray, FloatArray, ImageDetections, ImageMetadata, IntArray
from services.associate.models.catalogue import ChannelKey
from services.associate.models.evidence import LastNotified, PriorCoverage
from services.associate.models.solutions import NO_SOLUTION, ImageSolution
from services.associate.models.tracks import Motion
from services.associate.steps.candidate_sources import CandidateSources
from services.associate.steps.image_result import ImageResult
from services.associate.steps.new_source import find_lowest_limits
from sky.id_sets import is_in

__all__ = [
    "AssociatedImage",
    "Test",
    "Trigger",
    "count_bands",
    "find_detections",
    "find_new_sources",
    "is_created",
    "is_first",
    "is_seen_late",
]


@dataclass(frozen=True, slots=True)
class AssociatedImage:
    """An accepted image whose measurements have their sources.

    `extraction_type` is their kind, `numbers` are theirs in the image; None: 0, 1, ...
    """

    number: int
    key: ChannelKey
    record: ImageDetections
    metadata: ImageMetadata
    result: ImageResult
    solution: ImageSolution = NO_SOLUTION
    extraction_type: Literal["blind", "forced", "monitor"] = "blind"
    numbers: IntArray | None = None

    def number_of(self, detection: int) -> int:
        """Return the number of a measurement in the image."""
        return detection if self.numbers is None else int(self.numbers[detection])


@dataclass(frozen=True, slots=True)
class Test:
    """The test that a trigger has passed.

    Parameters
    ----------
    name : str
        ``new``, ``single``, ``window:N`` (looks), ``history``, ``missed`` or ``track``.
    sigma : float or None
        Its significance, negative where the source is fainter [sigma].
    expected_jy_beam, expected_err_jy_beam : float or None
        Peak flux that the quiet looks before gave reason to expect, and its error [Jy/beam].
    """

    __test__ = False

    name: str
    sigma: float | None = None
    expected_jy_beam: float | None = None
    expected_err_jy_beam: float | None = None

    @property
    def window(self) -> int:
        """Length of the window [looks]; 0 of another test."""
        return int(self.name.partition(":")[2] or 0)

    @property
    def strength(self) -> float:
        """Significance, whatever the direction [sigma]."""
        return abs(self.sigma or 0.0)


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
    time_limit : datetime or None
        Start of the exposure of that image.
    last : LastNotified or None
        The transient that an update is about.
    note : str or None
        Reason for an update, or what a motion is.
    test : Test
        What it rests on; an update has none.
    motion : Motion or None
        Of a moving object.
    """

    kind: str
    certainty: str
    source: int
    image: AssociatedImage
    detection: int
    limit_jy_beam: float | None = None
    last: LastNotified | None = None
    note: str | None = None
    test: Test = Test("")
    time_limit: datetime | None = None
    motion: Motion | None = None

    def with_note(self, note: str) -> "Trigger":
        """Return the same with a reason."""
        return replace(self, note=note)

    @property
    def snr(self) -> float:
        """Signal-to-noise ratio of the detection."""
        return float(self.image.record.sources.snr[self.detection])


def count_bands(images: Sequence[AssociatedImage], n_sources: int) -> IntArray:
    """Return in how many bands the images of a timestep detect each source, (n,)."""
    is_seen: dict[int, BoolArray] = {}
    for image in images:
        if image.extraction_type == "blind":
            seen = is_seen.setdefault(image.key[0], np.zeros(n_sources, np.bool_))
            seen[image.result.touched.source] = True
    n_bands = np.zeros(n_sources, np.int64)
    for seen in is_seen.values():
        n_bands += seen
    return n_bands


def find_detections(
    images: Sequence[AssociatedImage], rows: IntArray
) -> dict[int, list[tuple[AssociatedImage, int]]]:
    """Return the detections of sources by their row, image by image; one pass over each image."""
    found: dict[int, list[tuple[AssociatedImage, int]]] = {row: [] for row in rows.tolist()}
    for image in images:
        detections = np.flatnonzero(is_in(image.result.source, rows))
        sources = image.result.source[detections]
        for detection, row in zip(detections.tolist(), sources.tolist(), strict=True):
            found[row].append((image, detection))
    return found


def is_created(candidates: CandidateSources) -> BoolArray:
    """Return which sources (n,) the timestep created, splits left out."""
    rows = candidates.sources
    return np.asarray(rows["is_created"] & (rows["parent"] < 0), np.bool_)


def is_seen_late(candidates: CandidateSources) -> BoolArray:
    """Return which sources (n,) the timestep detects that late images alone have detected."""
    rows = candidates.sources
    return np.asarray(rows["is_seen_late"] & rows["is_detected"], np.bool_)


def is_first(candidates: CandidateSources) -> BoolArray:
    """Return which sources (n,) no image in order has detected before the timestep."""
    return is_created(candidates) | is_seen_late(candidates)


def find_new_sources(
    candidates: CandidateSources,
    images: Sequence[AssociatedImage],
    prior_coverage: Mapping[int, Sequence[PriorCoverage]],
    *,
    sigma_margin: float,
) -> list[Trigger]:
    """Return the sources without an earlier detection that an earlier image would have detected.

    Those that late images have detected are compared with images in order: these have not.

    Parameters
    ----------
    candidates : CandidateSources
        After association.
    images : sequence of AssociatedImage
        Of the timestep.
    prior_coverage : mapping
        Deepest earlier images of the channel, by the number of the image.
    sigma_margin : float
        Added to the detection thresholds of the earlier images [sigma].

    Returns
    -------
    list of Trigger
        One a source: its certain detection of the highest S/N, else its possible one.
    """
    created, seen_late = is_created(candidates), is_seen_late(candidates)
    best: dict[int, Trigger] = {}
    for image in images:
        prior = prior_coverage.get(image.number, ())
        in_order = [each for each in prior if not each.is_late]
        for trigger in (
            *_find_new(image, prior, created, sigma_margin),
            *_find_new(image, in_order, seen_late, sigma_margin),
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
    chosen: BoolArray,
    sigma_margin: float,
) -> list[Trigger]:
    detections = np.nonzero(chosen[image.result.source])[0]
    if not prior_coverage or not detections.size:
        return []
    sources = image.record.sources
    limits = find_lowest_limits(
        sources.ra[detections],
        sources.dec[detections],
        prior_coverage,
        sigma_margin=sigma_margin,
        default_threshold_sigma=image.record.detection_threshold_sigma or 0.0,
    )
    flux: FloatArray = sources.flux_peak_jy_beam[detections]
    return [
        Trigger(
            "new_source",
            "certain" if flux[each] > limits.high[each] else "possible",
            int(image.result.source[detections[each]]),
            image,
            int(detections[each]),
            float(limits.low[each]),
            test=Test("new"),
            time_limit=prior_coverage[limits.prior[each]].time_start,
        )
        for each in np.nonzero(flux > limits.low)[0]
    ]

"""Light curves in the hands of the associator's decisions, and how soon they announce a change."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runtime.settings import AssociateSettings
from schemas.messages import ImageDetections, ImageMetadata, SourceColumns, SourceOffset
from services.associate.models.catalogue import SOURCE_DTYPE
from services.associate.steps.candidate_sources import CandidateSources
from services.associate.steps.change_tests import to_limits
from services.associate.steps.episodes import find_changes, follow_activity, start_episodes
from services.associate.steps.image_result import ImageResult
from services.associate.steps.matching import Links
from services.associate.steps.triggers import AssociatedImage

__all__ = ["THRESHOLD_SIGMA", "Announced", "Found", "Night", "find_announced", "find_delays"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_KEY = (1, "I")
THRESHOLD_SIGMA = 8.0
_NOTHING = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Announced:
    """An episode that was announced: of which light curve, at which step, of which kind."""

    source: int
    step: int
    kind: str
    trigger: str


class Night:
    """Light curves of one band in the hands of the associator; fluxes in units of the noise."""

    def __init__(self, size: int, settings: AssociateSettings) -> None:
        self._settings = settings
        self._limits = to_limits(settings)
        self._candidates = CandidateSources(0.0)
        rows = np.zeros(size, SOURCE_DTYPE)
        rows["id"] = np.arange(1, size + 1)
        self._candidates.load(rows, {})
        self.announced: list[Announced] = []

    def look(self, step: int, source: IntArray, flux: FloatArray) -> None:
        """Look at some of the sources, errors of 1, and note what is announced."""
        ones = np.ones(source.size)
        self._candidates.add_forced(_KEY, source, flux, ones)
        self._candidates.sources["n_forced"][source[flux >= THRESHOLD_SIGMA]] -= 1
        looked = self._candidates.look(
            _KEY, source, np.arange(source.size), flux=flux, error=ones, limits=self._limits
        )
        result = ImageResult(
            source,
            ones,
            Links(_NOTHING, _NOTHING, np.empty(0)),
            _NOTHING,
            Links(np.arange(source.size), source, ones),
            looked,
        )
        image = AssociatedImage(0, _KEY, _record(flux), _METADATA, result)
        triggers = find_changes(self._candidates, [image], self._settings)
        start_episodes(self._candidates.sources, triggers, self._settings)
        follow_activity(self._candidates.sources, [image], triggers)
        self.announced += [
            Announced(each.source, step, each.kind, each.test.name) for each in triggers
        ]


_METADATA: ImageMetadata = None  # type: ignore[assignment]  # no decision of these reads it


def _record(flux: FloatArray) -> ImageDetections:
    zero, ones = np.zeros(flux.size), np.ones(flux.size)
    return ImageDetections(
        image_id="",
        stream="bench",
        source=SourceOffset("", "", 0, 0),
        verdict="accepted",
        detection_threshold_sigma=THRESHOLD_SIGMA,
        sources=SourceColumns(
            ra=zero, dec=zero, ra_err_deg=ones, dec_err_deg=ones, flux_peak_jy_beam=flux,
            flux_peak_err_jy_beam=ones, flux_int_jy=flux, flux_int_err_jy=ones, snr=flux,
            rms_local_jy_beam=ones, major_arcsec=ones, minor_arcsec=ones, pa_deg=zero,
            quality_flags=np.zeros(flux.size, np.int64),
            p_false=np.zeros(flux.size),
        ),
    )  # fmt: skip


def find_announced(fluxes: FloatArray, settings: AssociateSettings) -> list[Announced]:
    """Return what is announced of light curves, (sources, steps), each looked at in every step."""
    night, everything = Night(fluxes.shape[0], settings), np.arange(fluxes.shape[0])
    for step in range(fluxes.shape[1]):
        night.look(step, everything, fluxes[:, step])
    return night.announced


@dataclass(frozen=True, slots=True)
class Found:
    """How many of the injected changes were announced, and after how many looks.

    `n_detected` are those that a threshold detects in time; 0: it was not counted.
    """

    n: int
    delays: Sequence[int]
    n_detected: int = 0

    @property
    def share(self) -> float:
        """Completeness."""
        return len(self.delays) / self.n

    def __str__(self) -> str:
        """Return both as text."""
        if not self.delays:
            return f"{self.share:7.1%}      -    -"
        median, slow = np.percentile(self.delays, [50, 90])
        return f"{self.share:7.1%} {median:6.0f} {slow:4.0f}"


def find_delays(
    announced: Sequence[Announced],
    start: IntArray,
    end: IntArray,
    kinds: Sequence[str] | None = None,
) -> Found:
    """Return what was announced of each light curve from the start of its change to its end."""
    first: dict[int, int] = {}
    for each in announced:
        inside = start[each.source] <= each.step <= end[each.source]
        if inside and (kinds is None or each.kind in kinds):
            first.setdefault(each.source, each.step - int(start[each.source]) + 1)
    return Found(start.size, list(first.values()))

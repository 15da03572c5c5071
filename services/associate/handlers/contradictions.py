"""New sources that other bands contradict, in the transaction that has the last answer."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from runtime.logging import get_logger
from runtime.settings import AssociateSettings
from schemas.messages import IntArray
from schemas.topics import Topics
from services.associate.metrics import SPECTRAL_CONFLICTS
from services.associate.models.contradictions import RetractionCandidate, StreamBands
from services.associate.models.decisions import Retraction
from services.associate.steps.contradiction import (
    Verdict,
    find_image_times,
    find_retractions,
    is_due,
    judge,
    to_waits,
)
from services.associate.storage import Catalogue

__all__ = ["Contradictions"]


class Contradictions:
    """Judges new sources and retracts those that another band contradicts.

    Parameters
    ----------
    settings : AssociateSettings
        Limits of the spectral test.
    topics : Topics
        Where retractions go.
    """

    def __init__(self, settings: AssociateSettings, topics: Topics) -> None:
        self._settings = settings
        self._topics = topics

    async def retract(
        self,
        catalogue: Catalogue,
        stream: str,
        image_id: str,
        source_ids: IntArray,
        *,
        looked_until: datetime,
    ) -> list[Retraction]:
        """Judge the new sources that an image is about; return the retractions.

        Parameters
        ----------
        catalogue : Catalogue
            An open transaction that has locked the stream.
        stream : str
            Name of the stream.
        image_id : str
            Image in which something about them was measured.
        source_ids : (n,) int64
            Sources that may be contradicted.
        looked_until : datetime
            The timestep up to which everything is known.
        """
        if not source_ids.size or self._settings.spectral_conflict_sigma is None:
            return []
        observed = await catalogue.load_stream_bands(stream)
        if observed is None:
            return []
        stream_id, bands = observed
        bands = StreamBands(bands.freq_eff_hz, looked_until)
        verdicts = await self._find_verdicts(catalogue, stream_id, bands, image_id, source_ids)
        await catalogue.mark_judged(
            [
                candidate.last_event.transient_id
                for candidate, verdict in verdicts
                if verdict.is_final and verdict.conflict is None
            ]
        )
        retractions = find_retractions(verdicts, datetime.now(UTC))
        for retraction in retractions:
            await catalogue.retract_transient(retraction, self._topics)
        SPECTRAL_CONFLICTS.inc(len(retractions))
        if retractions:
            get_logger().info(
                "transients_retracted",
                stream=stream,
                image_id=image_id,
                trig_ids=[retraction.event.trig_id for retraction in retractions],
            )
        return retractions

    async def _find_verdicts(
        self,
        catalogue: Catalogue,
        stream_id: int,
        bands: StreamBands,
        image_id: str,
        source_ids: IntArray,
    ) -> list[tuple[RetractionCandidate, Verdict]]:
        """Return the verdicts on the new sources that an image is about."""
        verdicts: list[tuple[RetractionCandidate, Verdict]] = []
        # A transaction that waited for a lock has read old rows: decide again under the lock.
        for _ in range(2):
            candidates = await catalogue.lock_retraction_candidates(
                stream_id, image_id, source_ids, waits=to_waits(bands, self._settings)
            )
            verdicts = await self._judge(catalogue, candidates, bands)
            if not any(verdict.conflict for _, verdict in verdicts):
                break
        return verdicts

    async def _judge(
        self, catalogue: Catalogue, candidates: Iterable[RetractionCandidate], bands: StreamBands
    ) -> list[tuple[RetractionCandidate, Verdict]]:
        """Return the verdicts on the candidates that every band has had the time to show."""
        found = []
        for candidate in candidates:
            if is_due(candidate, bands, self._settings.max_dm_pc_cm3):
                from_time, to_time = find_image_times(candidate, bands, self._settings)
                images = await catalogue.load_band_images(
                    candidate, from_time, self._last_start(to_time, bands)
                )
                found.append((candidate, judge(candidate, images, self._settings)))
        return found

    def _last_start(self, to_time: datetime, bands: StreamBands) -> datetime:
        """Return up to when images start: those of later timesteps may or may not be here."""
        if bands.looked_until is None:
            return to_time
        tolerance = timedelta(seconds=self._settings.timestep_tolerance_s)
        return min(to_time, bands.looked_until + tolerance)

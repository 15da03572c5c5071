"""Triggers to events of transients-v1 and to rows of table `transient`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import numpy as np

from schemas.identity import event_id, trig_id
from schemas.messages import ImageMetadata, IntArray, SourceEvent
from services.associate.models.catalogue import RowArray
from services.associate.models.decisions import Notification, TransientRow
from services.associate.steps.candidate_sources import CandidateSources
from services.associate.steps.coverage import margin_of
from services.associate.steps.triggers import Trigger
from sky.margin import border_distance_px
from sky.wcs import SkyProjection

__all__ = ["EventBuilder", "to_transient_row"]


@dataclass(frozen=True, slots=True)
class EventBuilder:
    """Turns the triggers of a timestep into events.

    Parameters
    ----------
    rows : (n,) structured
        The candidates with their final ids, keys and flags.
    image_ids : mapping
        `image_id` by `image_key`: of this timestep's images, and of those in which sources
        that are announced now were first detected.
    earlier_trig_ids : mapping
        Those of earlier episodes by the id of the source, the newest first.
    image_keys : sequence of int
        Keys of the timestep's images, by number.
    n_bands : (n,) int64
        In how many bands the timestep detects each of them, as of `count_bands`.
    """

    stream: str
    stream_id: int
    candidates: CandidateSources
    rows: RowArray
    image_ids: Mapping[int, str]
    earlier_trig_ids: Mapping[int, tuple[str, ...]]
    image_keys: Sequence[int]
    n_bands: IntArray
    now: datetime

    def to_notification(self, trigger: Trigger) -> Notification:
        """Return the event of a trigger, with the transient that it creates."""
        event = self._to_event(trigger)
        if trigger.last:
            return Notification(event, self.now, None)
        key = self.image_keys[trigger.image.number]
        transient = to_transient_row(event, stream_id=self.stream_id, image_key=key, now=self.now)
        return Notification(event, self.now, transient)

    def _trig_id(self, trigger: Trigger) -> str:
        if trigger.last is not None:
            return trigger.last.trig_id
        row = self.rows[trigger.source]
        if row["n_episodes"] > 1 or trigger.motion is not None:
            number = trigger.image.number_of(trigger.detection)
            return trig_id(self.stream, trigger.image.record.image_id, number)
        first_image_id = self.image_ids[int(row["first_image_key"])]
        return trig_id(self.stream, first_image_id, int(row["first_source_number"]))

    def _to_event(self, trigger: Trigger) -> SourceEvent:
        """Return the event; a transient that it creates has no id yet."""
        row, family = self.rows[trigger.source], self._trig_id(trigger)
        ra_err_deg, dec_err_deg = self.candidates.position_errors_deg(trigger.source)
        record, number = trigger.image.record, trigger.detection
        metadata, sources, motion = trigger.image.metadata, record.sources, trigger.motion
        return SourceEvent(
            event_id=event_id(family, trigger.kind, record.image_id),
            trig_id=family,
            kind=trigger.kind,
            certainty=trigger.certainty,
            stream=self.stream,
            transient_id=0 if trigger.last is None else trigger.last.transient_id,
            source_id=int(row["id"]),
            image_id=record.image_id,
            source_number=trigger.image.number_of(number),
            time_start=metadata.time_start,
            exposure_s=metadata.exposure_s,
            freq_eff_hz=metadata.freq_eff_hz,
            freq_bw_hz=metadata.freq_bw_hz,
            stokes=metadata.stokes,
            beam_major_deg=metadata.beam_major_deg,
            beam_minor_deg=metadata.beam_minor_deg,
            beam_pa_deg=metadata.beam_pa_deg,
            ra=float(row["ra"]),
            dec=float(row["dec"]),
            ra_err_deg=ra_err_deg,
            dec_err_deg=dec_err_deg,
            flux_peak_jy_beam=float(sources.flux_peak_jy_beam[number]),
            flux_peak_err_jy_beam=float(sources.flux_peak_err_jy_beam[number]),
            flux_int_jy=float(sources.flux_int_jy[number]),
            flux_int_err_jy=float(sources.flux_int_err_jy[number]),
            snr=trigger.snr,
            rms_local_jy_beam=float(sources.rms_local_jy_beam[number]),
            quality_flags=int(sources.quality_flags[number]),
            extraction_type=trigger.image.extraction_type,
            n_datapoints=int(row["n_datapoints"]),
            n_forced=int(row["n_forced"]),
            **asdict(self.candidates.variability_of(trigger.source)),
            n_bands=int(self.n_bands[trigger.source]),
            limit_previous_jy_beam=trigger.limit_jy_beam,
            telescope=metadata.telescope,
            times=replace(record.times, time_associated=self.now),
            transient_kind=trigger.kind if trigger.last is None else trigger.last.kind,
            note=trigger.note,
            n_episodes=max(int(row["n_episodes"]), 1),
            earlier_trig_ids=(
                () if trigger.last else self.earlier_trig_ids.get(int(row["id"]), ())
            ),
            flux_expected_jy_beam=trigger.test.expected_jy_beam,
            flux_expected_err_jy_beam=trigger.test.expected_err_jy_beam,
            trigger=trigger.test.name,
            trigger_sigma=trigger.test.sigma,
            position_systematic_err_deg=self.candidates.systematic_deg,
            time_limit_previous=trigger.time_limit,
            p_false=_to_optional(float(sources.p_false[number])),
            rate_arcsec_s=None if motion is None else motion.rate_arcsec_s,
            rate_err_arcsec_s=None if motion is None else motion.rate_err_arcsec_s,
            direction_deg=None if motion is None else motion.direction_deg,
            edge_distance_deg=_edge_distance_deg(
                metadata, float(row["ra"]), float(row["dec"]), margin_of(record)
            ),
        )


def to_transient_row(
    event: SourceEvent, *, stream_id: int, image_key: int, now: datetime
) -> TransientRow:
    """Return the transient that an event creates; `image_key` is that of its image."""
    return TransientRow(
        event_id=event.event_id,
        trig_id=event.trig_id,
        source_id=event.source_id,
        stream_id=stream_id,
        kind=event.kind,
        certainty=event.certainty,
        image_key=image_key,
        source_number=event.source_number,
        time_start=event.time_start,
        time_detected=now,
        ra=event.ra,
        dec=event.dec,
        ra_err_deg=event.ra_err_deg,
        dec_err_deg=event.dec_err_deg,
        flux_peak_jy_beam=event.flux_peak_jy_beam,
        snr=event.snr,
        eta=event.eta,
        v=event.v,
        # What comes back in one band is no news of bands.
        last_notified_n_bands=max(event.n_bands, 1),
        limit_previous_jy_beam=event.limit_previous_jy_beam,
        episode=event.n_episodes,
        trigger=event.trigger,
        trigger_sigma=event.trigger_sigma,
        flux_expected_jy_beam=event.flux_expected_jy_beam,
        flux_expected_err_jy_beam=event.flux_expected_err_jy_beam,
        rate_arcsec_s=event.rate_arcsec_s,
        direction_deg=event.direction_deg,
    )


def _to_optional(value: float) -> float | None:
    """Return a number, None if it is NaN: a forced measurement has none."""
    return None if math.isnan(value) else value


def _edge_distance_deg(metadata: ImageMetadata, ra: float, dec: float, margin_px: int) -> float:
    """Return how far a position lies from the nearest border of what is searched [deg]."""
    sky = SkyProjection.of(metadata.wcs_header)
    x, y = sky.to_pixel(np.array([ra]), np.array([dec]))
    shape = metadata.height_px, metadata.width_px
    return float(border_distance_px(shape, x, y, margin_px)[0]) * sky.pixel_scale_deg(shape)

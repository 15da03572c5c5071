"""What an associator has announced and stored, to compare two that were fed the same sky."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from schemas.messages import SourceEvent
from tests.support.association import Associator

__all__ = ["Outcome", "assert_same", "read_outcome"]

# Nothing of the clock or of a serial number takes part in the comparison.
_NOT_COMPARED = {
    "event_id", "trig_id", "earlier_trig_ids", "stream", "transient_id", "source_id", "times",
}  # fmt: skip


@dataclass(slots=True)
class Outcome:
    """What an associator has announced and stored, but for clock times and serial numbers.

    `events` by time and source, `order` of them as they came: kind, source and image.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    order: list[tuple[Any, ...]] = field(default_factory=list)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def kinds(self) -> set[str]:
        """Return the kinds of its events."""
        return {each["kind"] for each in self.events}


_SOURCES = """
select
    image.image_id as first_image_id, source.first_source_number, source.ra, source.dec,
    source.n_datapoints, source.n_forced, source.is_new, source.is_variable, source.activity,
    source.n_quiet, source.n_quiet_needed, source.n_episodes, source.eta, source.v,
    source.last_time_start, source.id
from source
inner join stream on stream.id = source.stream_id
inner join image on image.image_key = source.first_image_key
where stream.name = $1 order by image.time_start, image.freq_eff_hz, source.first_source_number
"""
_BANDS = """
select source_band.*, band.freq_eff_hz
from source_band
inner join source on source.id = source_band.source_id
inner join band on band.id = source_band.band_id
inner join stream on stream.id = source.stream_id
where stream.name = $1
"""
_TRANSIENTS = """
select
    image.image_id, transient.source_number, transient.kind, transient.certainty, transient.state,
    transient.ra, transient.dec, transient.flux_peak_jy_beam, transient.snr, transient.eta,
    transient.v, transient.episode, transient.time_end, transient.trigger, transient.trigger_sigma,
    transient.n_updates, transient.last_notified_snr, transient.flux_peak_max_jy_beam,
    transient.time_peak, transient.is_judged
from transient
inner join stream on stream.id = transient.stream_id
inner join image on image.image_key = transient.image_key
where stream.name = $1
order by image.time_start, image.freq_eff_hz, transient.source_number
"""
_ARCHIVED = """
select
    image.image_id as first_image_id, archived_source.first_source_number, archived_source.ra,
    archived_source.dec, archived_source.n_datapoints, archived_source.n_forced,
    archived_source.snr_forced, archived_source.id
from archived_source
inner join stream on stream.id = archived_source.stream_id
inner join image on image.image_key = archived_source.first_image_key
where stream.name = $1 order by image.time_start, image.freq_eff_hz, first_source_number
"""
_WAITING = """
select waiting_timestep.time_start
from waiting_timestep
inner join stream on stream.id = waiting_timestep.stream_id
where stream.name = $1
union all
select image.time_start
from waiting_request
inner join stream on stream.id = waiting_request.stream_id
inner join image on image.image_key = waiting_request.image_key
where stream.name = $1
"""
_DETECTIONS = """
select
    image.image_id, detection.source_id, detection.extraction_type, detection.flux_peak_jy_beam,
    case when detection.extraction_type <> 'lookback' then detection.source_number end as number
from detection
inner join stream on stream.id = detection.stream_id
inner join image on image.image_key = detection.image_key
where stream.name = $1
order by image.time_start, image.freq_eff_hz, detection.source_id, detection.extraction_type
"""


async def read_outcome(case: Associator, events: Sequence[SourceEvent]) -> Outcome:
    """Return what an associator has stored, with the events it has announced."""
    found = await case.rows(_SOURCES, case.stream)
    archived = await case.rows(_ARCHIVED, case.stream)
    names = {
        row.pop("id"): (row["first_image_id"], row["first_source_number"])
        for row in [*found, *archived]
    }
    bands = await case.rows(_BANDS, case.stream)
    for row in bands:
        row["source_id"] = names[row["source_id"]]
        row["change_state"] = tuple(np.frombuffer(row["change_state"], "<f8").tolist())
        del row["band_id"]
    bands.sort(key=lambda row: (row["source_id"], row["freq_eff_hz"]))
    detections = await case.rows(_DETECTIONS, case.stream)
    for row in detections:
        row["source_id"] = names[row["source_id"]]
    compared = [
        {
            **{
                each.name: getattr(event, each.name)
                for each in fields(event)
                if each.name not in _NOT_COMPARED
            },
            "source": names.get(event.source_id),
            # A retraction for a moving object ends with the `trig_id` of that.
            "note": (event.note or "").replace(_trig_id_in(event.note), ""),
            "n_earlier": len(event.earlier_trig_ids),
        }
        for event in events
    ]
    order = [(each["kind"], each["source"], each["time_start"]) for each in compared]
    compared.sort(key=lambda each: (each["time_start"], each["source"] or (), each["kind"]))
    tables = {
        "source": found,
        "archived_source": archived,
        "source_band": bands,
        "transient": await case.rows(_TRANSIENTS, case.stream),
        "waiting": await case.rows(_WAITING, case.stream),
        "detection": sorted(detections, key=lambda row: str(sorted(row.items()))),
    }
    return Outcome(compared, order, tables)


def _trig_id_in(note: str | None) -> str:
    """Return what follows ``moving object`` in a note."""
    return (note or "").partition("moving object ")[2]


def assert_same(ours: Outcome, theirs: Outcome) -> None:
    """Compare two outcomes: sums of floating-point numbers may differ in their last digits."""
    _assert_rows("event", ours.events, theirs.events)
    for name, rows in ours.tables.items():
        _assert_rows(name, rows, theirs.tables[name])


def _assert_rows(
    name: str, ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]]
) -> None:
    for number, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        for key, value in one.items():
            assert _is_same(value, other[key]), (
                f"{name} {number}, {key}: {value} and {other[key]}\n{one}\n{other}"
            )
    assert len(ours) == len(theirs), f"{len(ours)} and {len(theirs)} rows of {name}"


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and one and isinstance(one[0], float):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return bool(np.isclose(one, other, rtol=1e-9, atol=1e-12, equal_nan=True))
    return bool(one == other)

"""What the catalogue has about events: images, measurements, near sources, false alarms."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import numpy as np

from runtime.sql import Queries
from schemas.identity import stamp_id
from schemas.messages import SourceEvent
from services.alert.models import (
    CatalogueMatch,
    ContextRows,
    FalseAlarmCounts,
    LookedImage,
    NegativeRate,
    Point,
    SourceTotals,
    Timestep,
)

__all__ = ["ContextReader"]

_QUERIES = Queries("services.alert")
_MATCH_RADIUS_ARCSEC = 60.0
_HOURS_PER_DAY = 24.0
# Of which false alarms are kept.
_MAX_MINUTES = 1000
_FOLLOWING = frozenset({"update", "retraction"})
_STAMP_ROLES = ("now", "before", "deepest")
_TOTALS = ("first_time_start", "n_looks", "n_blind")


class ContextReader:
    """Reads the context of events; false alarms of a stream once for the events of a minute."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, datetime], FalseAlarmCounts | None] = {}

    async def read(
        self, connection: asyncpg.pool.PoolConnectionProxy, events: Sequence[SourceEvent]
    ) -> list[ContextRows]:
        """Return what the catalogue has about each event.

        Parameters
        ----------
        connection : asyncpg connection
            Of the database of the catalogue.
        events : sequence of SourceEvent
            Many cost hardly more than one.
        """
        timesteps = await _read_timesteps(connection, events)
        points, totals = await _read_points(connection, events, timesteps)
        matches = await _read_matches(connection, events)
        stamps = await _read_stamps(connection, events)
        counts = await self._count_false_alarms(connection, events)
        return [
            ContextRows(
                timesteps.get(event.image_id),
                tuple(points[number]),
                tuple(matches[number]),
                counts[number],
                tuple(stamps.get(event.trig_id, ())),
                totals.get(number),
            )
            for number, event in enumerate(events)
        ]

    async def _count_false_alarms(
        self, connection: asyncpg.pool.PoolConnectionProxy, events: Sequence[SourceEvent]
    ) -> list[FalseAlarmCounts | None]:
        """Return what was known when the minute of each exposure began, whenever this is asked.

        In the first minute of a stream: when the exposure began.
        """
        minutes = [(event.stream, _to_minute(event.time_start)) for event in events]
        if len(self._counted) >= _MAX_MINUTES:
            self._counted.clear()
        for key in set(minutes) - self._counted.keys():
            self._counted[key] = await _count_false_alarms(connection, *key)
        first_minute = [
            (event.stream, event.time_start)
            for event, key in zip(events, minutes, strict=True)
            if self._counted[key] is None
        ]
        starts = await _count_at_starts(connection, first_minute)
        return [
            self._counted[key] or starts.get((event.stream, event.time_start))
            for event, key in zip(events, minutes, strict=True)
        ]


def _to_minute(time: datetime) -> datetime:
    return time.replace(second=0, microsecond=0)


async def _count_at_starts(
    connection: asyncpg.pool.PoolConnectionProxy, asked: Sequence[tuple[str, datetime]]
) -> dict[tuple[str, datetime], FalseAlarmCounts]:
    """Return what was known at exposures of the first minute of streams.

    The latest of a minute is asked for first: without an image until it there is none before.
    """
    counted: dict[tuple[str, datetime], FalseAlarmCounts] = {}
    silent: set[tuple[str, datetime]] = set()
    for stream, start in sorted(set(asked), key=lambda each: each[1], reverse=True):
        minute = stream, _to_minute(start)
        if minute in silent:
            continue
        counts = await _count_false_alarms(connection, stream, start)
        if counts is None:
            silent.add(minute)
        else:
            counted[stream, start] = counts
    return counted


async def _read_timesteps(
    connection: asyncpg.pool.PoolConnectionProxy, events: Sequence[SourceEvent]
) -> dict[str, Timestep]:
    """Return the timestep of each image that events name and the catalogue has."""
    asked = sorted({(event.stream, event.image_id) for event in events})
    rows = await _QUERIES.fetch(
        connection,
        "select_timestep_images",
        stream=[stream for stream, _ in asked],
        image_id=[image_id for _, image_id in asked],
    )
    found: dict[str, list[asyncpg.Record]] = {}
    for row in rows:
        found.setdefault(row["asked_image_id"], []).append(row)
    timesteps = {}
    for image_id, related in found.items():
        images = tuple(_to_image(row) for row in related if not row["is_earlier"])
        own = next((image for image in images if image.image_id == image_id), None)
        if own is not None:
            earlier = tuple(_to_image(row) for row in related if row["is_earlier"])
            timesteps[image_id] = Timestep(
                related[0]["stream_id"], own, images, earlier, related[0]["n_candidates"]
            )
    return timesteps


def _to_image(row: asyncpg.Record) -> LookedImage:
    grid = row["rms_grid"]
    return LookedImage(
        image_key=row["image_key"],
        image_id=row["image_id"],
        band_id=row["band_id"],
        time_start=row["time_start"],
        exposure_s=row["exposure_s"],
        freq_eff_hz=row["freq_eff_hz"],
        freq_bw_hz=row["freq_bw_hz"],
        stokes=row["stokes"],
        wcs_header=row["wcs_header"],
        shape=(row["height_px"], row["width_px"]),
        margin_px=row["margin_px"],
        threshold_sigma=row["threshold_sigma"],
        rms_grid=None if grid is None else np.array(grid).reshape(-1, row["rms_grid_columns"]),
        field_ra=row["field_ra"],
        field_dec=row["field_dec"],
    )


async def _read_points(
    connection: asyncpg.pool.PoolConnectionProxy,
    events: Sequence[SourceEvent],
    timesteps: dict[str, Timestep],
) -> tuple[list[list[Point]], dict[int, SourceTotals]]:
    """Return the measurements of the source of each event until the end of its timestep.

    And by the number of an event what the statistics of its source have.
    """
    points: list[list[Point]] = [[] for _ in events]
    totals: dict[int, SourceTotals] = {}
    asked: dict[int, list[int]] = {}
    for number, event in enumerate(events):
        if event.image_id in timesteps:
            asked.setdefault(timesteps[event.image_id].stream_id, []).append(number)
    for stream_id, numbers in asked.items():
        of_stream = [events[number] for number in numbers]
        steps = [timesteps[event.image_id] for event in of_stream]
        for row in await _fetch_points(connection, stream_id, of_stream, steps):
            values = dict(row)
            number = numbers[values.pop("number")]
            found = [values.pop(name) for name in _TOTALS]
            if None not in found:
                totals[number] = SourceTotals(*found)
            if values["image_key"] is not None:
                points[number].append(Point(**values))
    return points, totals


async def _fetch_points(
    connection: asyncpg.pool.PoolConnectionProxy,
    stream_id: int,
    events: Sequence[SourceEvent],
    steps: Sequence[Timestep],
) -> list[asyncpg.Record]:
    """Return the rows of events of one stream, each with its timestep."""
    ends = [max(image.time_start for image in step.images) for step in steps]
    starts = [step.own.time_start for step in steps]
    return await _QUERIES.fetch(
        connection,
        "select_points",
        stream_id=stream_id,
        source_id=[event.source_id for event in events],
        until=ends,
        earliest=min(ends),
        latest=max(ends),
        band_id=[step.own.band_id for step in steps],
        stokes=[step.own.stokes for step in steps],
        before=starts,
        first=min(starts),
    )


async def _read_matches(
    connection: asyncpg.pool.PoolConnectionProxy, events: Sequence[SourceEvent]
) -> list[list[CatalogueMatch]]:
    matches: list[list[CatalogueMatch]] = [[] for _ in events]
    rows = await _QUERIES.fetch(
        connection,
        "select_near_references",
        ra=[event.ra for event in events],
        dec=[event.dec for event in events],
        radius_arcsec=_MATCH_RADIUS_ARCSEC,
    )
    for row in rows:
        values = dict(row)
        matches[values.pop("number")].append(CatalogueMatch(**values))
    return matches


async def _read_stamps(
    connection: asyncpg.pool.PoolConnectionProxy, events: Sequence[SourceEvent]
) -> dict[str, list[tuple[str, bytes]]]:
    """Return by family the stamps of events that follow another: the first one has none yet."""
    asked = [
        stamp_id(event.trig_id, role)
        for event in events
        if event.kind in _FOLLOWING
        for role in _STAMP_ROLES
    ]
    found: dict[str, list[tuple[str, bytes]]] = {}
    if asked:
        rows = await _QUERIES.fetch(connection, "select_stored_stamps", stamp_id=asked)
        for row in rows:
            found.setdefault(row["trig_id"], []).append((row["role"], row["data"]))
    return found


async def _count_false_alarms(
    connection: asyncpg.pool.PoolConnectionProxy, stream: str, until: datetime
) -> FalseAlarmCounts | None:
    """Return what false alarms of a stream were expected from; None before its first image."""
    asked = {"stream": stream, "until": until}
    (search,) = await _QUERIES.fetch(connection, "measure_search", **asked)
    if search["n_days"] is None:
        return None
    rows = await _QUERIES.fetch(connection, "select_false_alarms", **asked)
    bands = await _QUERIES.fetch(connection, "select_negative_peaks", **asked)
    retracted = [row for row in rows if row["ra"] is not None]
    return FalseAlarmCounts(
        looks_per_day=search["n_beams"] * _HOURS_PER_DAY,
        n_days=search["n_days"],
        false_snr=np.sort(
            [row["snr"] for row in rows if row["snr"] is not None and not row["is_change"]]
        ),
        retracted=tuple((row["ra"], row["dec"]) for row in retracted),
        tests_per_day=search["n_tests"] * _HOURS_PER_DAY,
        n_false_changes=sum(row["is_change"] for row in rows),
        negative={
            row["band_id"]: NegativeRate(
                row["n_days"], np.array(row["snr"], np.float64), np.array(row["n_peaks"], np.int64)
            )
            for row in bands
        },
    )

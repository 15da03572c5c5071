"""Timesteps and what the catalogue knows around them, made by hand: no database."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from runtime.kafka import InMessage
from runtime.settings import AssociateSettings
from schemas.messages import ImageDetections, SourceOffset
from services.associate.models.catalogue import (
    NO_MONITORS,
    SOURCE_DTYPE,
    STATISTICS_DTYPE,
    CatalogueState,
    Monitors,
    RowArray,
)
from services.associate.models.decisions import Decisions
from services.associate.models.evidence import Evidence, PriorCoverage, Questions
from services.associate.models.timesteps import Arrival, Band, KnownImage, Timestep
from services.associate.steps.association import associate, search_radius_deg
from services.associate.steps.bands import assign_bands
from services.associate.steps.calibration import solve_timestep
from services.associate.steps.decisions import decide, judge_at_once
from services.associate.steps.first_decisions import decide_first, find_waiting
from services.associate.steps.judgement import ask_of
from tests.support.records import image

__all__ = [
    "FIRST_IMAGE_KEY",
    "FIRST_SOURCE_ID",
    "NOW",
    "decide_timestep",
    "known_source",
    "known_statistics",
    "prior_coverage",
    "state_of",
    "timestep_of",
]

NOW = datetime(2026, 3, 1, tzinfo=UTC)
STREAM_ID = 7
# Keys that the database would reserve.
FIRST_IMAGE_KEY, FIRST_SOURCE_ID = 500, 900


def timestep_of(*records: ImageDetections, **changes: Any) -> Timestep:
    """Return a timestep of records that come from offsets 0, 1, ... of one partition."""
    arrivals = []
    for offset, record in enumerate(records):
        placed = replace(record, source=SourceOffset("kafka", "images-v1", 0, offset))
        arrivals.append(Arrival(placed, InMessage("detections-v1", 0, offset, b"", b""), 0.0))
    metadata = records[0].metadata
    time_start = None if metadata is None else metadata.time_start
    return Timestep("test", time_start, tuple(arrivals), **changes)


def known_source(number: int, ra: float, dec: float, **changes: Any) -> RowArray:
    """Return a source of the catalogue: one detection with errors of 10 arcsec."""
    row = np.zeros(1, SOURCE_DTYPE)
    values = {
        "id": number, "ra": ra, "dec": dec, "search_ra": ra, "search_dec": dec,
        "weight_ra": 360.0**2, "weight_dec": 360.0**2, "n_datapoints": 1,
        "first_image_key": 100 + number, "first_source_number": 3,
    } | changes  # fmt: skip
    for name, value in values.items():
        row[name] = value
    return row


def known_statistics(source_id: int, **values: float) -> RowArray:
    """Return the light-curve statistics of a source in one channel."""
    row = np.zeros(1, STATISTICS_DTYPE)
    for name, value in ({"source_id": source_id, "n_datapoints": 1} | values).items():
        row[name] = value
    return row


def state_of(
    timestep: Timestep,
    *sources: RowArray,
    statistics: Mapping[str, RowArray] | None = None,
    images: Mapping[str, KnownImage] | None = None,
    monitors: Monitors = NO_MONITORS,
) -> CatalogueState:
    """Return what the catalogue knows; band ids count from 1, statistics are of Stokes I."""
    assigned = assign_bands(timestep.records, [])
    bands: dict[Band, int] = {}
    for band in assigned:
        if band is not None:
            bands.setdefault(band, len(bands) + 1)
    return CatalogueState(
        stream_id=STREAM_ID,
        bands=bands,
        band_ids=[None if band is None else bands[band] for band in assigned],
        images=images or {},
        same_time=(),
        sources=np.concatenate([np.zeros(0, SOURCE_DTYPE), *sources]),
        statistics={(1, stokes): rows for stokes, rows in (statistics or {}).items()},
        monitors=monitors,
    )


def prior_coverage(rms_jy_beam: float | np.ndarray = 1e-3, **changes: Any) -> PriorCoverage:
    """Return an earlier image of the field of `tests.support.records.image`."""
    metadata, grid = image(0).metadata, np.broadcast_to(np.asarray(rms_jy_beam, float), (4, 4))
    assert metadata is not None
    shape = (metadata.height_px, metadata.width_px)
    values = {"margin_px": 10, "detection_threshold_sigma": 10.0} | changes
    return PriorCoverage(metadata.wcs_header, shape, rms_grid=grid.copy(), **values)


def decide_timestep(
    timestep: Timestep,
    state: CatalogueState,
    *,
    prior: Sequence[PriorCoverage] = (),
    settings: Mapping[str, Any] | None = None,
    **evidence: Any,
) -> tuple[Questions, Decisions]:
    """Associate and decide; every image with first detections has the same prior coverage."""
    limits = AssociateSettings(**(settings or {}))
    solutions = solve_timestep(
        timestep, state, limits, radius_deg=search_radius_deg(timestep, limits)
    )
    association = associate(timestep, state, limits, solutions)
    questions = association.questions
    answers = Evidence(
        image_keys=range(FIRST_IMAGE_KEY, FIRST_IMAGE_KEY + questions.n_images),
        source_ids=range(FIRST_SOURCE_ID, FIRST_SOURCE_ID + questions.n_sources),
        prior_coverage=dict.fromkeys(questions.first_detections, tuple(prior)),
        **evidence,
    )
    first = decide_first(association, answers, limits)
    waiting_ids = find_waiting(association, first, answers, limits)
    looks = judge_at_once(association, first, waiting_ids, limits)
    if timestep.time_start is not None and not timestep.is_late:
        asked = ask_of(looks, timestep.time_start, limits)
        questions = replace(
            questions,
            notified=asked.notified,
            first_image_keys=asked.first_image_keys,
            active_again_ids=asked.active_again_ids,
        )
    decisions = decide(
        association,
        first,
        looks,
        waiting_ids=waiting_ids,
        evidence=answers,
        settings=limits,
        now=NOW,
    )
    return questions, decisions

"""Objects that move are one source and one event, whatever they cross."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from schemas.messages import ImageDetections
from tests.support.association import Associator, associator
from tests.support.movers import Mover, scatter
from tests.support.records import START, image, sources

CADENCE_S = 8.0
CENTRE = (0.05, 10.0)
STEADY = [(CENTRE[0] + 0.8 * k, CENTRE[1] + 0.4 * k) for k in range(-4, 5)]
MOVER = Mover(359.2, 9.2, 100.0, 40.0)


def look(step: int, movers: list[Mover], rng: np.random.Generator) -> ImageDetections:
    """Return an image of steady sources and of movers, `CADENCE_S` after the one before."""
    time_s = step * CADENCE_S
    moving = [scatter(rng, each.at(time_s), 3 / 3600) for each in movers]
    measured = sources(STEADY + moving, flux_jy=[0.02] * len(STEADY) + [0.05] * len(moving))
    record = image(step, measured, centre=CENTRE)
    assert record.metadata is not None
    start = START + timedelta(seconds=time_s)
    metadata = replace(record.metadata, time_start=start, exposure_s=CADENCE_S)
    return replace(record, metadata=metadata)


async def watch(case: Associator, movers: list[Mover], n_steps: int, *, seed: int = 1) -> None:
    rng = np.random.default_rng(seed)
    for step in range(2):
        await case.feed(look(step, [], rng))
    for step in range(2, 2 + n_steps):
        await case.feed(look(step, movers, rng))


async def test_a_mover_is_one_source_and_one_event(postgres_url: str) -> None:
    async with associator(postgres_url, forced_photometry=False) as case:
        await watch(case, [MOVER], 20)
        kinds = [event.kind for event in case.events]
        assert kinds == ["new_source", "new_source", "moving", "retraction", "retraction"]
        moving = case.events[2]
        assert moving.rate_arcsec_s == pytest.approx(100.0, rel=0.02)
        assert moving.direction_deg == pytest.approx(40.0, abs=2.0)
        assert moving.rate_err_arcsec_s is not None
        assert moving.note is not None
        where = f"{moving.trig_id}, at {moving.ra:.4f} {moving.dec:+.4f} deg on 20"
        for event in case.events[3:]:
            assert event.note is not None
            assert where in event.note
            assert event.note.endswith(moving.note)
            assert len(event.note) < 300
        announced = {event.trig_id for event in case.events[:2]}
        assert {event.trig_id for event in case.events[3:]} == announced
        assert moving.earlier_trig_ids == tuple(event.trig_id for event in case.events[1::-1])
        (row,) = await case.rows(
            "select source.n_datapoints, source.ra, source.dec from source where id = $1",
            moving.source_id,
        )
        assert row["n_datapoints"] == 18
        ra, dec = MOVER.at(21 * CADENCE_S)
        assert row["ra"] == pytest.approx(ra, abs=20 / 3600)
        assert row["dec"] == pytest.approx(dec, abs=20 / 3600)
        assert len(await case.sources()) == len(STEADY) + 3


async def test_several_movers_at_once_cross_steady_sources_unseen(postgres_url: str) -> None:
    crossing = Mover(*STEADY[4], 120.0, 300.0)
    back = crossing.at(-10 * CADENCE_S)
    movers = [Mover(*back, 120.0, 300.0), MOVER, Mover(0.9, 11.0, 80.0, 190.0)]
    async with associator(postgres_url, forced_photometry=False) as case:
        await watch(case, movers, 24)
        kinds = [event.kind for event in case.events]
        assert kinds.count("moving") == 3
        assert set(kinds) == {"new_source", "moving", "retraction"}
        assert kinds.count("retraction") == kinds.count("new_source")


async def test_a_mover_that_leaves_is_followed_no_longer(postgres_url: str) -> None:
    async with associator(postgres_url, forced_photometry=False) as case:
        await watch(case, [MOVER], 6)
        rng = np.random.default_rng(3)
        for step in range(8, 13):
            await case.feed(look(step, [], rng))
        (row,) = await case.rows(
            "select transient.time_end, transient.rate_arcsec_s from transient "
            "where kind = 'moving' and source_id = $1",
            case.events[2].source_id,
        )
        assert row["time_end"] is not None
        assert row["rate_arcsec_s"] == case.events[2].rate_arcsec_s
        (tracking,) = await case.rows(
            "select tracking.track_id from tracking join stream on stream.id = stream_id "
            "where stream.name = $1",
            case.stream,
        )
        assert not any(tracking["track_id"])


@pytest.mark.parametrize("err_deg", [np.inf, 1e15])
async def test_positions_that_nothing_constrains_are_of_no_track(
    err_deg: float, postgres_url: str
) -> None:
    rng = np.random.default_rng(3)
    movers = [MOVER, Mover(0.9, 11.0, 80.0, 190.0), Mover(0.2, 9.9, 60.0, 90.0)]
    async with associator(postgres_url, forced_photometry=False) as case:
        for step in range(8):
            record = look(step, movers, rng)
            anywhere = np.full(len(record.sources), err_deg)
            measured = replace(record.sources, ra_err_deg=anywhere, dec_err_deg=anywhere)
            await case.feed(replace(record, sources=measured))
        assert not case.handler.dead_letters.pending
        assert "moving" not in {event.kind for event in case.events}
        (row,) = await case.rows(
            "select count(*) as n from image_ledger where kafka_cluster_id = $1 "
            "and outcome = 'processed'",
            case.stream,
        )
        assert row["n"] == 8

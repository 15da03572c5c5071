"""The same images give the same events and alerts, at any speed, by any number of associators."""

import asyncio
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from schemas.messages import SourceEvent
from tests.support.alert_bodies import alert_bodies, wait_for_alerts
from tests.support.decision_site import DecisionSite, decision_site
from tests.support.watched_sky import WatchedSky, add_noise, offset

CENTRE = (359.6, 71.3)
N_STEPS = 34
# Keys of a database, and clocks.
_OF_THE_RUN = {"source_id", "transient_id", "times"}
# So many timesteps at once each time; associators; whether images and answers keep their order.
_RUNS = (
    ([], 1, True),
    (list(range(1, N_STEPS, 3)), 1, False),
    ([17], 3, False),
)
# SAME_EVENTS_SEEDS=5 tries as many skies, three runs each.
_SEEDS = range(1800, 1800 + int(os.environ.get("SAME_EVENTS_SEEDS", "1")))


def skies(seed: int) -> list[WatchedSky]:
    """Return three streams: flares, bursts, what vanishes, what is new; faint ones and peaks."""
    made = []
    for number in range(3):
        rng = np.random.default_rng([seed, number])
        flux = np.broadcast_to(rng.uniform(15, 60, 9), (N_STEPS, 2, 9)).copy()
        flux[12 + number : 15, :, 0] += 40.0
        flux[20:26, 0, 1] = 0.0
        flux[:9, :, 2] = 0.0
        flux[:, :, 3] = 0.0
        flux[18, 1, 3] = 31.0
        flux[:, :, 4] = np.where(rng.random((N_STEPS, 1)) < 0.1, 9.5, 0.0)
        places = [offset(CENTRE, 0.7 * (each % 3 - 1), 0.7 * (each // 3 - 1)) for each in range(9)]
        # Peaks of the noise, which come again at some places.
        places += [offset(CENTRE, *each) for each in rng.uniform(-0.6, 0.6, (4, 2)).tolist()]
        peaks = np.where(rng.random((N_STEPS, 2, 4)) < 0.06, 9.0, 0.0)
        flux = add_noise(np.concatenate([flux, peaks], axis=2), seed + 77 + number)
        sky = WatchedSky(
            f"same-{number}", places, flux, centre=CENTRE, bands_hz=(133e6, 166e6),
            cadence_s=9.0 + number,
        )  # fmt: skip
        made.append(sky)
    return made


def facts(events: list[SourceEvent]) -> dict[tuple[str, str], str]:
    """Return what events say in each field, to the last bit; but for what is of the run."""
    return {
        (event.event_id, name): repr(value)
        for event in events
        for name, value in asdict(event).items()
        if name not in _OF_THE_RUN
    }


async def watch(
    site: DecisionSite, seed: int, paces: list[int]
) -> dict[str, dict[tuple[str, str], str]]:
    """Send the streams, so many timesteps at once each time; return what was announced."""
    watched = skies(seed)
    for last in [*paces, N_STEPS]:
        for sky in watched:
            await site.observe(sky, until=last)
    return {stream: facts(events) for stream, events in site.events.items()}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", _SEEDS)
def test_the_same_images_give_the_same_events(
    kafka_bootstrap: str, postgres_url: str, tmp_path: Path, seed: int
) -> None:
    outcomes, bodies = [], []
    for run, (paces, n_workers, is_orderly) in enumerate(_RUNS):
        folder = tmp_path / str(run)
        folder.mkdir()
        disorder = None if is_orderly else np.random.default_rng([seed, run])
        with decision_site(
            kafka_bootstrap, postgres_url, folder, n_workers=n_workers, disorder=disorder
        ) as site:
            site.site.start_and_wait("alert")
            outcomes.append(asyncio.run(watch(site, seed, paces)))
            wait_for_alerts(site.site)
            bodies.append(alert_bodies(site.site))
    at_once, *others = outcomes
    kinds = {value for (_, field), value in at_once["same-0"].items() if field == "kind"}
    assert {"'new_source'", "'variable'", "'vanished'", "'returned'"} <= kinds
    for run, other in enumerate(others, 1):
        assert at_once.keys() == other.keys()
        for stream, events in at_once.items():
            differing = sorted(events.items() ^ other[stream].items())
            assert differing == [], (run, stream)
    first, *rest = bodies
    assert len({ivorn for ivorn, _ in first}) > 20
    for run, body in enumerate(rest, 1):
        assert sorted(first.items() ^ body.items()) == [], run

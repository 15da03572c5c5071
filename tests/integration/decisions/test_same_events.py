"""The same images give the same events, at any speed and with any number of associators."""

import asyncio
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from schemas.messages import SourceEvent
from tests.support.decision_site import DecisionSite, decision_site
from tests.support.watched_sky import WatchedSky, add_noise, offset

CENTRE = (359.6, 71.3)
N_STEPS = 34
# Keys of a database, and clocks.
_OF_THE_RUN = {"source_id", "transient_id", "times"}


def skies() -> list[WatchedSky]:
    """Return three streams with flares, a burst in one band, what vanishes, and a new source."""
    made = []
    for number in range(3):
        rng = np.random.default_rng(1800 + number)
        flux = np.broadcast_to(rng.uniform(15, 60, 9), (N_STEPS, 2, 9)).copy()
        flux[12 + number : 15, :, 0] += 40.0
        flux[20:26, 0, 1] = 0.0
        flux[:9, :, 2] = 0.0
        flux[:, :, 3] = 0.0
        flux[18, 1, 3] = 31.0
        flux[:, :, 4] = 0.0
        places = [offset(CENTRE, 0.7 * (each % 3 - 1), 0.7 * (each // 3 - 1)) for each in range(9)]
        sky = WatchedSky(
            f"same-{number}", places, add_noise(flux, 77 + number), centre=CENTRE,
            bands_hz=(133e6, 166e6), cadence_s=9.0 + number,
        )  # fmt: skip
        made.append(sky)
    return made


def facts(events: list[SourceEvent]) -> dict[tuple[str, str], str]:
    """Return what events say in each field, by event; but for what is of the run."""
    return {
        (event.event_id, name): repr(value)
        for event in events
        for name, value in asdict(event).items()
        if name not in _OF_THE_RUN
    }


async def watch(site: DecisionSite, paces: list[int]) -> dict[str, dict[tuple[str, str], str]]:
    """Send the streams, so many timesteps at once each time; return what was announced."""
    watched = skies()
    for last in [*paces, N_STEPS]:
        for sky in watched:
            await site.observe(sky, until=last)
    return {stream: facts(events) for stream, events in site.events.items()}


@pytest.mark.parametrize(
    ("name", "paces", "n_workers"),
    [("three by three", list(range(1, N_STEPS, 3)), 1), ("in two parts", [17], 3)],
)
def test_the_same_images_give_the_same_events(
    kafka_bootstrap: str,
    postgres_url: str,
    tmp_path: Path,
    name: str,
    paces: list[int],
    n_workers: int,
) -> None:
    outcomes = []
    for run, (each_pace, n) in enumerate([([], 1), (paces, n_workers)]):
        folder = tmp_path / str(run)
        folder.mkdir()
        with decision_site(kafka_bootstrap, postgres_url, folder, n_workers=n) as site:
            outcomes.append(asyncio.run(watch(site, each_pace)))
    at_once, other = outcomes
    kinds = {value for (_, field), value in at_once["same-0"].items() if field == "kind"}
    assert {"'new_source'", "'variable'", "'vanished'", "'returned'"} <= kinds, name
    assert at_once.keys() == other.keys()
    for stream, events in at_once.items():
        differing = sorted(events.items() ^ other[stream].items())
        assert differing == [], stream

"""Late images count, and begin no episode; what they show first may be announced in order."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from schemas.messages import ForcedRequest, ImageDetections, SourceEvent
from tests.support.association import Associator, associator
from tests.support.forced_results import measure, store
from tests.support.look_back_cases import BRIGHT_JY, LOOKBACK, answer, shot, take_look_backs
from tests.support.records import image, sources

BEGIN = {"new_source", "variable", "faded", "vanished", "returned", "moving"}
BANDS_HZ = (120e6, 160e6)
N_STEPS = 10
ERR_JY, STEADY_JY = 1e-3, 0.03
STEADY, FLARING, VANISHING = (124.0, 10.5), (125.0, 12.0), (121.0, 8.0)
FLARE_STEP, VANISHED_STEP = 7, 5
PLACES = ((120.5, 13.0), (121.3, 14.1), (122.2, 12.7), (122.6, 15.0), (119.4, 11.2), (126.3, 9.1))
MOVER_STEPS = range(2, 8)


@pytest.mark.parametrize("settings", [{}, LOOKBACK, {"forced_photometry": False}])
async def test_a_flare_in_a_late_image_begins_nothing(
    postgres_url: str, settings: dict[str, Any]
) -> None:
    """Images of steps 0, 2 and 3 are there; that of step 1 has 20 sigma at an empty place."""
    async with associator(postgres_url, **settings) as case:
        await _feed_late(case)
        assert await case.outcomes() == {"processed": 3, "late": 1}
        assert case.events == []
        assert take_look_backs(case) == []
        row = (await case.sources())[-1]
    assert (row["n_datapoints"], row["is_new"], row["n_episodes"]) == (1, False, 0)
    assert row["first_time_start"] == shot(1).metadata.time_start


async def test_what_is_still_there_is_announced_by_the_limit_of_images_in_order(
    postgres_url: str,
) -> None:
    async with associator(postgres_url) as case:
        await _feed_late(case)
        await case.feed(shot(4, BRIGHT_JY))
        await case.feed(shot(5, BRIGHT_JY))
        (event,) = case.events
    assert (event.kind, event.certainty, event.n_episodes) == ("new_source", "certain", 1)
    assert event.image_id == shot(4).image_id
    assert event.time_limit_previous == shot(0).metadata.time_start
    assert event.n_datapoints == 2


async def test_the_limit_of_a_late_image_announces_nothing(postgres_url: str) -> None:
    """The deepest image of the place is the one that has detected the source."""
    async with associator(postgres_url) as case:
        for step in (0, 2):
            await case.feed(shot(step))
        await case.feed(shot(1, BRIGHT_JY, rms_jy_beam=5e-4))
        await case.feed(shot(4, BRIGHT_JY))
        assert case.events == []


@pytest.mark.parametrize(("earlier_jy", "kinds"), [(1e-4, ["new_source"]), (BRIGHT_JY, [])])
async def test_what_is_still_there_looks_back_at_images_in_order(
    postgres_url: str, earlier_jy: float, kinds: list[str]
) -> None:
    async with associator(postgres_url, **LOOKBACK) as case:
        await _feed_late(case)
        case.requests.clear()
        await case.feed(shot(4, BRIGHT_JY))
        requests = take_look_backs(case)
        assert [each.image_id for each in requests] == [shot(step).image_id for step in (0, 2, 3)]
        assert case.events == []
        await answer(case, requests, [earlier_jy] * 3)
        await case.feed(shot(5, BRIGHT_JY))
        assert take_look_backs(case) == []
        assert [each.kind for each in case.events] == kinds
        if kinds:
            assert case.events[0].n_look_back == 3
            assert case.events[0].image_id == shot(4).image_id


@pytest.mark.parametrize("settings", [{}, LOOKBACK])
async def test_where_only_a_late_image_has_looked_nothing_is_new(
    postgres_url: str, settings: dict[str, Any]
) -> None:
    elsewhere = (160.0, 10.0)
    async with associator(postgres_url, **settings) as case:
        for step in (0, 2):
            await case.feed(shot(step))
        await case.feed(image(1, [elsewhere], centre=elsewhere))
        await case.feed(image(3, [elsewhere], centre=elsewhere))
        assert case.events == []
        assert take_look_backs(case) == []


async def test_a_source_that_an_image_in_order_has_looked_at_is_known(postgres_url: str) -> None:
    """A forced flux judges it, and the tests for changes tell it: once, as new."""
    async with associator(postgres_url, **LOOKBACK) as case:
        for step in (0, 1):
            await case.feed(shot(step))
        await case.feed(shot(1, BRIGHT_JY, freq_eff_hz=160e6))
        case.requests.clear()
        await case.feed(shot(2))
        for request in list(case.requests):
            await store(case, measure(request))
        case.requests.clear()
        await case.feed(shot(3, BRIGHT_JY))
        assert take_look_backs(case) == []
        assert [each.kind for each in case.events] == ["new_source"]
        assert case.events[0].trigger == "single"


async def _feed_late(case: Associator) -> None:
    for step in (0, 2, 3):
        await case.feed(shot(step))
    await case.feed(shot(1, BRIGHT_JY))


class Sky:
    """Places with flares, every other one in one band; a source that vanishes, one that moves."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.starts = rng.integers(1, N_STEPS - 1, len(PLACES)).tolist()
        self.lengths = [2 if number % 2 else int(rng.integers(1, 3)) for number in range(6)]
        self.fluxes_jy = rng.uniform(0.02, 0.08, len(PLACES)).tolist()

    def steps(self, number: int) -> range:
        """Return when a place has a flux."""
        return range(self.starts[number], self.starts[number] + self.lengths[number])

    def bands(self, number: int) -> tuple[float, ...]:
        """Return in which bands a place has a flux [Hz]."""
        return BANDS_HZ[1:] if number % 2 else BANDS_HZ

    def at(self, step: int, freq_hz: float) -> list[tuple[tuple[float, float], float]]:
        """Return the places of an image that have a flux, and the fluxes [Jy]."""
        found = [(STEADY, STEADY_JY), (FLARING, STEADY_JY * (4 if step == FLARE_STEP else 1))]
        if step < VANISHED_STEP:
            found.append((VANISHING, STEADY_JY))
        if step in MOVER_STEPS:
            found.append(((118.0 + 0.5 * step, 6.0), 0.05))
        for number, (place, flux) in enumerate(zip(PLACES, self.fluxes_jy, strict=True)):
            if step in self.steps(number) and freq_hz in self.bands(number):
                found.append((place, flux))
        return found

    def image(self, step: int, freq_hz: float) -> ImageDetections:
        places, fluxes = zip(*self.at(step, freq_hz), strict=True)
        measured = sources(places, flux_jy=fluxes, flux_err_jy=ERR_JY, pos_err_arcsec=3.0)
        return image(step, measured, freq_eff_hz=freq_hz)

    def measure_at(self, request: ForcedRequest, step: int, freq_hz: float) -> np.ndarray:
        """Return the fluxes of an image at the positions of a request [Jy]."""
        flux = np.zeros(request.positions.ra.size)
        for (ra, dec), value in self.at(step, freq_hz):
            here = np.hypot(request.positions.ra - ra, request.positions.dec - dec) < 0.05
            flux[here] = value
        return flux


async def _observe(
    case: Associator, sky: Sky, groups: Sequence[Sequence[tuple[int, float]]]
) -> set[str]:
    """Feed images in an order, and answer each request; return the images that were late."""
    seen: dict[str, tuple[int, float]] = {}
    for group in groups:
        images = [sky.image(*each) for each in group]
        seen |= {each.image_id: what for each, what in zip(images, group, strict=True)}
        await case.feed(*images)
        while case.requests:
            request = case.requests.pop(0)
            result = measure(request)
            flux = sky.measure_at(request, *seen[request.image_id])
            columns = replace(result.measurements, flux_peak_jy_beam=flux)
            await store(case, replace(result, measurements=columns))
            await case.settle()
    rows = await case.rows(
        "select image_id from image join stream on stream.id = stream_id "
        "where name = $1 and is_late",
        case.stream,
    )
    return {row["image_id"] for row in rows}


def _arrivals(seed: int) -> list[list[tuple[int, float]]]:
    """Return images as (step, frequency) in groups that come together: some come late.

    The second band is slow, so that it may see late what it sees first.
    """
    rng = np.random.default_rng(1000 + seed)
    groups: list[list[tuple[int, float]]] = [[] for _ in range(N_STEPS + 4)]
    for step in range(N_STEPS):
        for freq_hz, choices in zip(BANDS_HZ, ([0, 0, 0, 2, 3], [0, 1]), strict=True):
            delay = int(rng.choice(choices)) if step else 0
            groups[step + delay].append((step, freq_hz))
    shuffled = [[group[each] for each in rng.permutation(len(group))] for group in groups]
    return [group for group in shuffled if group]


def _begun_at(events: Sequence[SourceEvent], place: tuple[float, float]) -> list[SourceEvent]:
    return [
        each
        for each in events
        if each.kind in BEGIN and np.hypot(each.ra - place[0], each.dec - place[1]) < 0.05
    ]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("settings", [{}, LOOKBACK, {"forced_photometry": False}])
async def test_no_late_image_begins_an_episode_whatever_the_order(
    postgres_url: str, seed: int, settings: dict[str, Any]
) -> None:
    sky = Sky(seed)
    async with associator(postgres_url, **settings) as case:
        late = await _observe(case, sky, _arrivals(seed))
        assert len(late) > 2
        begun = [each for each in case.events if each.kind in BEGIN]
        assert begun
        assert not late.intersection(each.image_id for each in begun)
        for number, place in enumerate(PLACES):
            images = {sky.image(step, hz).image_id for step in sky.steps(number)
                      for hz in sky.bands(number) if step < N_STEPS}  # fmt: skip
            if images - late:
                assert _begun_at(case.events, place), f"place {number} was swallowed"


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("settings", [{}, LOOKBACK, {"forced_photometry": False}])
async def test_the_same_images_in_order_begin_them(
    postgres_url: str, seed: int, settings: dict[str, Any]
) -> None:
    sky = Sky(seed)
    in_order = [[(step, hz) for hz in BANDS_HZ] for step in range(N_STEPS)]
    async with associator(postgres_url, **settings) as case:
        assert await _observe(case, sky, in_order) == set()
        for number, place in enumerate(PLACES):
            first = {sky.image(sky.starts[number], hz).image_id for hz in sky.bands(number)}
            (event,) = _begun_at(case.events, place)
            assert event.kind == "new_source"
            assert event.image_id in first
        kinds = {each.kind for each in case.events}
    assert kinds >= {"new_source", "variable", "moving"}
    assert "vanished" in kinds or not settings.get("forced_photometry", True)

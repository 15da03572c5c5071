"""What is decided holds for other numbers: steps, fluxes, places, rates and bands from a seed."""

import os

import numpy as np
import pytest

from sky.dispersion import dispersion_delay_s
from tests.support.decision_site import DecisionSite
from tests.support.movers import Mover
from tests.support.moving_sky import MovingSky
from tests.support.records import BEAM_MAJOR_DEG
from tests.support.watched_sky import WatchedSky, add_noise, begun, offset

# OTHER_NUMBERS_SEEDS=5 tries as many of each kind.
_SEEDS = range(600, 600 + int(os.environ.get("OTHER_NUMBERS_SEEDS", "1")))
_CENTRES = ((0.001, 44.0), (359.9995, -21.3), (140.0, 89.96), (33.0, -89.97), (222.2, 3.3))


def draw_centre(rng: np.random.Generator) -> tuple[float, float]:
    """Return a place at 0h, at a pole, or elsewhere."""
    return _CENTRES[int(rng.integers(len(_CENTRES)))]


def draw_places(
    centre: tuple[float, float], n: int, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Return places around a centre, no two of which are near."""
    step_deg = 0.55
    aside_deg = rng.uniform(-0.12, 0.12, (n, 2))
    return [
        offset(centre, step_deg * (each % 3 - 1) + east, step_deg * (each // 3 - 1) + north)
        for each, (east, north) in enumerate(aside_deg.tolist())
    ]


@pytest.mark.parametrize("seed", _SEEDS)
async def test_every_burst_is_an_episode_in_two_streams_at_once(
    site: DecisionSite, seed: int
) -> None:
    rng = np.random.default_rng([seed, 1])
    skies = []
    for name in ("a", "b"):
        centre = draw_centre(rng)
        steps = np.cumsum(rng.integers(11, 40, 4)).tolist()
        flux = np.zeros((steps[-1] + 12, 1, 2))
        flux[:, 0, 1] = rng.uniform(20, 60)
        flux[steps, 0, 0] = rng.uniform(17, 60, 4)
        sky = WatchedSky(
            f"other-bursts-{name}-{seed}", draw_places(centre, 2, rng), add_noise(flux, seed),
            centre=centre, cadence_s=float(rng.uniform(1, 60)),
        )  # fmt: skip
        skies.append((sky, steps))
    (first, steps), (second, _) = skies
    await site.observe(first, until=steps[0] + 5)
    await site.observe(second)
    (transient,) = (await site.get("/transients", stream=first.stream))["items"]
    await site.retract(transient["id"])
    for sky, wanted in skies:
        events = await site.observe(sky)
        assert [step for step, _ in begun(events, sky)] == wanted
        began = [each for each in events if each.kind not in ("update", "retraction")]
        assert [each.n_episodes for each in began[1:]] == [2, 3, 4]
        assert len({each.trig_id for each in began}) == 4


@pytest.mark.parametrize("seed", _SEEDS)
async def test_what_goes_and_comes_back_is_told_once_each(site: DecisionSite, seed: int) -> None:
    rng = np.random.default_rng([seed, 2])
    centre, n_steps = draw_centre(rng), 40
    level = rng.uniform(28, 90, 4)
    flux = np.broadcast_to(level, (n_steps, 2, 4)).copy()
    gone, back = int(rng.integers(6, 14)), int(rng.integers(18, 30))
    flux[gone:back, :, 0] = 0.0
    fades = int(rng.integers(6, 30))
    flux[fades:, 1, 1] *= rng.uniform(0.35, 0.6)
    flares = sorted(rng.choice([8, 14, 20, 26, 32], 2, replace=False).tolist())
    for step in flares:
        flux[step : step + 2, :, 2] += rng.uniform(15, 40)
    sky = WatchedSky(
        f"other-gone-{seed}", draw_places(centre, 4, rng), add_noise(flux, seed), centre=centre,
        bands_hz=(125e6, 158e6), cadence_s=float(rng.uniform(10, 400)),
    )  # fmt: skip
    told = sorted(begun(await site.observe(sky), sky))
    again = "variable" if flares[1] - flares[0] > 9 else None
    wanted = [
        (gone + 1, "vanished"), (back, "returned"), (fades + 1, "faded"),
        (flares[0], "variable"),
    ] + [(flares[1], again)] * (again is not None)  # fmt: skip
    assert told == sorted(wanted)


@pytest.mark.parametrize("seed", _SEEDS)
async def test_what_moves_at_another_rate_is_one_object(site: DecisionSite, seed: int) -> None:
    rng = np.random.default_rng([seed, 3])
    centre = draw_centre(rng)
    cadence_s, n_steps = float(rng.uniform(2, 30)), 20
    rate = float(rng.uniform(0.08, 0.25)) * 3600 / cadence_s
    flux = np.full((n_steps, 1, 5), 40.0)
    flux[:3, 0, 0] = 0.0
    steady = [offset(centre, 1.1 * each - 2.5, 2.6) for each in range(4)]
    sky = MovingSky(
        f"other-moving-{seed}", [centre, *steady], add_noise(flux, seed), centre=centre,
        cadence_s=cadence_s, mover=Mover(*centre, rate, float(rng.uniform(0, 360))),
        passes_s=n_steps / 2 * cadence_s,
    )  # fmt: skip
    events = await site.observe(sky)
    kinds = [each.kind for each in events if each.kind != "update"]
    assert kinds.count("moving") == 1
    assert kinds.count("retraction") == kinds.count("new_source")
    (moving,) = (each for each in events if each.kind == "moving")
    assert moving.rate_arcsec_s == pytest.approx(rate, rel=0.03)


@pytest.mark.parametrize("seed", _SEEDS)
async def test_images_off_by_other_amounts_are_mended(site: DecisionSite, seed: int) -> None:
    rng = np.random.default_rng([seed, 4])
    centre, n = draw_centre(rng), 60
    places = [offset(centre, *each) for each in rng.uniform(-5, 5, (n, 2)).tolist()]
    level = np.sort(rng.uniform(30, 500, n))
    shifts = {}
    for step in (4, 6, 8):
        beams, angle = rng.uniform(0.4, 2.0), rng.uniform(0, 2 * np.pi)
        shifts[step] = (
            float(beams * np.cos(angle)) * BEAM_MAJOR_DEG,
            float(beams * np.sin(angle)) * BEAM_MAJOR_DEG,
        )
    factors = {5: 0.6, 8: 1.7, 6: float(rng.uniform(0.62, 1.65))}
    flux = np.broadcast_to(level, (12, 1, n)).copy()
    flux[9:, 0, 0] = 0.0
    sky = WatchedSky(
        f"other-off-{seed}", places, add_noise(flux, seed), centre=centre, cadence_s=50.0,
        shifts_deg=shifts, factors=factors,
    )  # fmt: skip
    events = await site.observe(sky)
    assert begun(events, sky) == [(10, "vanished")]
    items = sorted(
        (await site.get("/images", stream=sky.stream))["items"],
        key=lambda each: each["time_start"],
    )
    assert {each["verdict"] for each in items} == {"accepted"}
    for step, factor in factors.items():
        assert items[step]["flux_factor"] == pytest.approx(factor, rel=0.03)
    for step, shift in shifts.items():
        found = items[step]["shift_east_arcsec"], items[step]["shift_north_arcsec"]
        assert found == pytest.approx([3600 * each for each in shift], abs=5)
    rows = (await site.get("/sources", stream=sky.stream, limit=200))["items"]
    assert len(rows) == n


@pytest.mark.parametrize("seed", _SEEDS)
@pytest.mark.parametrize("dm", [20.0, 60.0])
async def test_a_burst_that_sweeps_through_other_bands_is_kept(
    site: DecisionSite, dm: float, seed: int
) -> None:
    rng = np.random.default_rng([seed, 5])
    centre = draw_centre(rng)
    bands_hz = np.sort(rng.uniform(110e6, 240e6, 4)).tolist()
    cadence_s, first = float(rng.uniform(1.5, 6)), int(rng.integers(4, 9))
    delays_s = [dispersion_delay_s(dm, each, bands_hz[-1]) for each in bands_hz]
    n_steps = first + int(max(delays_s) / cadence_s) + 12
    flux = np.zeros((n_steps, 4, 2))
    flux[:, :, 1] = 70.0
    for band, delay_s in enumerate(delays_s):
        flux[int(first + 0.5 + delay_s / cadence_s), band, 0] = rng.uniform(20, 50)
    sky = WatchedSky(
        f"other-burst-{dm:.0f}-{seed}", draw_places(centre, 2, rng), add_noise(flux, seed),
        bands_hz=bands_hz, centre=centre, cadence_s=cadence_s,
    )  # fmt: skip
    events = await site.observe(sky)
    assert [each.kind for each in events].count("retraction") == 0
    assert begun(events, sky)[0] == (first, "new_source")

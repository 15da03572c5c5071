"""Images that are off, what moves, side lobes and sweeping bursts: through Kafka and REST."""

import numpy as np
import pytest

from schemas.quality import QualityFlag
from sky.dispersion import dispersion_delay_s
from tests.support.decision_site import DecisionSite
from tests.support.movers import Mover
from tests.support.moving_sky import MovingSky
from tests.support.records import BEAM_MAJOR_DEG
from tests.support.watched_sky import WatchedSky, add_noise, begun, offset

AT_ZERO_HOURS = (0.3, -61.2)
NEAR_POLE = (12.0, 88.9)


async def test_images_that_are_off_are_mended_or_refused(site: DecisionSite) -> None:
    rng = np.random.default_rng(61)
    n = 70
    places = [offset(AT_ZERO_HOURS, *rng.uniform(-5, 5, 2)) for _ in range(n)]
    level = np.sort(rng.uniform(25, 700, n))
    shifts_beams = {4: (-1.15, 0.55), 5: (3.4, 0.0), 8: (0.6, 1.7)}
    sky = WatchedSky(
        "off", places, add_noise(np.broadcast_to(level, (10, 1, n)).copy(), 62),
        centre=AT_ZERO_HOURS, cadence_s=100.0,
        shifts_deg={
            step: (east * BEAM_MAJOR_DEG, north * BEAM_MAJOR_DEG)
            for step, (east, north) in shifts_beams.items()
        },
        factors={4: 0.71, 6: 2.7, 8: 1.38},
    )  # fmt: skip
    assert await site.observe(sky) == []
    items = sorted(
        (await site.get("/images", stream="off"))["items"], key=lambda each: each["time_start"]
    )
    reasons = {
        step: each["reasons"] for step, each in enumerate(items) if each["verdict"] == "rejected"
    }
    assert reasons == {5: ["astrometry_off"], 6: ["flux_scale_off"]}
    for step in (4, 8):
        image = items[step]
        assert image["flux_factor"] == pytest.approx(sky.factors[step], rel=0.03)
        shift = image["shift_east_arcsec"], image["shift_north_arcsec"]
        wanted = [3600 * each for each in sky.shifts_deg[step]]
        assert shift == pytest.approx(wanted, abs=4)
    rows = (await site.get("/sources", stream="off", limit=200))["items"]
    assert [each["n_datapoints"] for each in rows] == [8] * n


@pytest.mark.parametrize(
    ("centre", "rate_arcsec_s", "direction_deg", "cadence_s"),
    [(NEAR_POLE, 61.0, 250.0, 17.0), (AT_ZERO_HOURS, 140.0, 80.0, 5.0)],
)
async def test_what_moves_is_one_object(
    site: DecisionSite,
    centre: tuple[float, float],
    rate_arcsec_s: float,
    direction_deg: float,
    cadence_s: float,
) -> None:
    flux = np.full((22, 1, 6), 35.0)
    flux[:3, 0, 0] = 0.0
    name = f"moving-{cadence_s:.0f}"
    places = [centre, *(offset(centre, 0.9 * each - 2.0, 0.5 * each) for each in range(5))]
    sky = MovingSky(
        name, places, add_noise(flux, 17), centre=centre, cadence_s=cadence_s,
        mover=Mover(*offset(centre, 0.5, -1.5), rate_arcsec_s, direction_deg),
    )  # fmt: skip
    events = await site.observe(sky)
    kinds = [each.kind for each in events if each.kind != "update"]
    assert kinds.count("moving") == 1
    assert kinds.count("retraction") == kinds.count("new_source")
    assert set(kinds) <= {"new_source", "moving", "retraction"}
    (moving,) = (each for each in events if each.kind == "moving")
    assert moving.rate_arcsec_s == pytest.approx(rate_arcsec_s, rel=0.03)
    items = (await site.get("/transients", stream=name))["items"]
    assert [each["kind"] for each in items if each["state"] != "retracted"] == ["moving"]


async def test_side_lobes_are_one_group_beside_a_true_source(site: DecisionSite) -> None:
    offsets_deg = [(0.41, -0.13), (0.22, 0.37), (-0.55, 0.09), (0.08, 0.61)]
    lobes = [
        offset(NEAR_POLE, sign * east, sign * north)
        for east, north in offsets_deg
        for sign in (1, -1)
    ]
    elsewhere = offset(NEAR_POLE, -1.7, -0.9)
    flux = np.zeros((6, 1, 10))
    flux[:, 0, 0] = 3000.0
    flux[4, 0, 1:9] = 24.0
    flux[4:, 0, 9] = 24.0
    sky = WatchedSky("lobes", [NEAR_POLE, *lobes, elsewhere], add_noise(flux, 2), centre=NEAR_POLE)
    events = [each for each in await site.observe(sky) if each.kind == "new_source"]
    is_lobe = [bool(each.quality_flags & QualityFlag.SIDE_LOBE) for each in events]
    assert (len(events), sum(is_lobe)) == (9, 8)
    (true,) = (each for each, lobe in zip(events, is_lobe, strict=True) if not lobe)
    assert true.dec == pytest.approx(elsewhere[1], abs=0.01)


BANDS_HZ = (118e6, 139e6, 161e6, 177e6)


@pytest.mark.parametrize(
    ("dm", "snr", "n_retracted"), [(41.0, 36.0, 0), (83.0, 27.0, 0), (0.0, 44.0, 1)]
)
async def test_a_burst_that_sweeps_is_kept_and_one_in_a_band_is_not(
    site: DecisionSite, dm: float, snr: float, n_retracted: int
) -> None:
    """Without a dispersion measure: interference in one band."""
    cadence_s, n_steps = 3.0, 34
    flux = np.zeros((n_steps, 4, 2))
    flux[:, :, 1] = 90.0
    for band, freq_hz in enumerate(BANDS_HZ):
        arrival_s = 4.5 * cadence_s + dispersion_delay_s(dm, freq_hz, BANDS_HZ[-1])
        if dm or band == 2:
            flux[int(arrival_s / cadence_s), band, 0] = snr
    sky = WatchedSky(
        f"burst-{dm:.0f}", [AT_ZERO_HOURS, offset(AT_ZERO_HOURS, 1.0, 0.4)], add_noise(flux, 9),
        bands_hz=BANDS_HZ, centre=AT_ZERO_HOURS, cadence_s=cadence_s,
    )  # fmt: skip
    events = await site.observe(sky)
    kinds = [each.kind for each in events if each.kind != "update"]
    assert kinds.count("retraction") == n_retracted
    assert begun(events, sky)[0] == (4, "new_source")

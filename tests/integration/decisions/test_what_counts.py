"""Forced points count, and a new source looks back: through Kafka and REST, at odd places."""

import numpy as np
import pytest

from tests.support.decision_site import DecisionSite
from tests.support.watched_sky import RMS_JY, WatchedSky, add_noise, begun, offset

NEAR_POLE = (211.0, 89.93)
AT_ZERO_HOURS = (359.999, -62.4)


def weighted(fluxes: np.ndarray) -> tuple[float, float]:
    """Return eta and V of fluxes whose errors are the noise of an image."""
    eta = np.sum((fluxes - fluxes.mean()) ** 2) / RMS_JY**2 / (fluxes.size - 1)
    return float(eta), float(fluxes.std(ddof=1) / fluxes.mean())


async def test_a_source_that_vanishes_and_returns_counts_and_is_told(site: DecisionSite) -> None:
    steady = offset(NEAR_POLE, 1.5, 0.4)
    level = np.array([57.0] * 9 + [0.0] * 4 + [57.0] * 3)
    flux = np.stack([level, np.full(level.size, 33.0)], axis=-1)[:, None]
    sky = WatchedSky("gone", [NEAR_POLE, steady], add_noise(flux, 4711), centre=NEAR_POLE)
    events = await site.observe(sky)
    assert begun(events, sky) == [(10, "vanished"), (13, "returned")]
    gone, back = (each for each in events if each.kind != "update")
    assert (gone.extraction_type, back.extraction_type) == ("forced", "blind")
    assert back.earlier_trig_ids == (gone.trig_id,)
    source = await site.source_at("gone", NEAR_POLE)
    points = await site.points_of(source["id"])
    kinds = [each["extraction_type"] for each in points]
    assert kinds == ["blind"] * 9 + ["forced"] * 4 + ["blind"] * 3
    measured = np.array([each["flux_int_jy"] for each in points])
    np.testing.assert_allclose(measured, sky.flux_sigma[:, 0, 0] * RMS_JY, rtol=1e-6)
    blind = measured[[each == "blind" for each in kinds]]
    listed = source["eta"], source["v"], source["eta_blind"], source["v_blind"]
    assert listed == pytest.approx((*weighted(measured), *weighted(blind)), rel=1e-6)
    items = (await site.get("/transients", stream="gone"))["items"]
    assert {each["kind"]: each["eta"] for each in items} == pytest.approx(
        {"vanished": source["eta"], "returned": source["eta"]}
    )


@pytest.mark.parametrize("band", [0, 1])
async def test_a_source_that_falls_in_one_band_has_faded(site: DecisionSite, band: int) -> None:
    flux = np.full((24, 2, 2), 45.0)
    flux[11:, band, 0] = 19.0
    places = [AT_ZERO_HOURS, offset(AT_ZERO_HOURS, 0.7, 0.0)]
    sky = WatchedSky(
        f"faded-{band}", places, add_noise(flux, 99 + band), bands_hz=(121e6, 163e6),
        centre=AT_ZERO_HOURS, cadence_s=311.0,
    )  # fmt: skip
    events = await site.observe(sky)
    assert begun(events, sky) == [(12, "faded")]
    assert events[0].freq_eff_hz == sky.bands_hz[band]


async def test_a_source_below_the_threshold_joins_with_its_history(site: DecisionSite) -> None:
    """Of thirty steady sources of 7 to 8 sigma none is new; one of 11 sigma that comes is."""
    rng = np.random.default_rng(31)
    places = [
        offset(AT_ZERO_HOURS, 0.4 * (each % 6 - 2.5), 0.4 * (each // 6 - 2)) for each in range(30)
    ]
    new = offset(AT_ZERO_HOURS, 1.9, -1.7)
    flux = np.broadcast_to([*rng.uniform(7, 8, 30), 0.0], (14, 2, 31)).copy()
    flux[9:, :, 30] = 11.0
    sky = WatchedSky(
        "below", [*places, new], add_noise(flux, 32), bands_hz=(138e6, 171e6),
        centre=AT_ZERO_HOURS, cadence_s=60.0,
    )  # fmt: skip
    events = await site.observe(sky)
    assert begun(events, sky) == [(9, "new_source")]
    (event,) = (each for each in events if each.kind == "new_source")
    assert (event.certainty, event.look_back, event.n_look_back) == ("certain", "looked_back", 5)
    band = sky.bands_hz.index(event.freq_eff_hz)
    source = await site.source_at("below", new)
    points = [
        each
        for each in await site.points_of(source["id"])
        if each["extraction_type"] == "lookback"
    ]
    before = np.array([each["flux_peak_jy_beam"] for each in points])
    assert event.flux_previous_jy_beam == pytest.approx(before.mean())
    assert event.flux_previous_err_jy_beam == pytest.approx(RMS_JY / 5**0.5)
    assert event.time_previous == sky.time_of(8)
    np.testing.assert_allclose(
        np.sort(before), np.sort(sky.flux_sigma[[0, 5, 6, 7, 8], band, 30]) * RMS_JY
    )
    rows = await site.rows(
        "select verdict, count(*) as n from look_back group by verdict order by verdict"
    )
    n_known = {row["verdict"]: row["n"] for row in rows}["known_below_threshold"]
    assert n_known >= 10


async def test_an_image_is_compared_with_what_earlier_ones_could_see(site: DecisionSite) -> None:
    """The threshold falls from 9.5 to 6.2 sigma: steady sources between are seen first, not new.

    Without pixels to look back at, the limit of the earlier images decides.
    """
    flux = np.broadcast_to(np.array([60.0, 7.2, 8.1, 0.0]), (9, 1, 4)).copy()
    flux[6:, 0, 3] = 30.0
    places = [offset(NEAR_POLE, 0.5 * each, -0.3) for each in range(4)]
    sky = WatchedSky(
        "deeper", places, add_noise(flux, 6), centre=NEAR_POLE, cadence_s=1.5,
        threshold_sigma=[9.5] * 5 + [6.2] * 4, keeps_pixels=False,
    )  # fmt: skip
    events = await site.observe(sky)
    assert begun(events, sky) == [(6, "new_source")]
    assert [each.look_back for each in events if each.kind == "new_source"] == ["not_looked_back"]

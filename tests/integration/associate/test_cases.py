"""The numerical cases of association: records in, catalogue rows out, on a real PostgreSQL."""

import math

import numpy as np
import pytest

from tests.support.association import associator
from tests.support.records import image, sources

POSITION = (123.123, 10.5)


async def test_a1_steady_sources_become_one_light_curve_each(postgres_url: str) -> None:
    positions = [(POSITION[0] + step, POSITION[1]) for step in (0, 2, 4)]
    async with associator(postgres_url) as case:
        for step in range(8):
            await case.feed(image(step, positions))
        found = await case.sources()
        assert [row["n_datapoints"] for row in found] == [8, 8, 8]
        for row, (ra, dec) in zip(found, positions, strict=True):
            assert row["ra"] == pytest.approx(ra, abs=1e-10)
            assert row["dec"] == pytest.approx(dec, abs=1e-10)
            # Only the statistical part of the error shrinks.
            error = math.sqrt(20**2 + 3600**2 / row["weight_ra"])
            assert error == pytest.approx(math.sqrt(20**2 + 100 / 8))


async def test_a2_an_infinite_error_is_stored_and_matches_nothing(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(0, [POSITION]))
        await case.feed(image(1, sources([POSITION], pos_err_arcsec=math.inf)))
        await case.feed(image(2, [POSITION]))
        assert [row["n_datapoints"] for row in await case.sources()] == [2, 1]


async def test_a4_the_mean_never_passes_through_180(postgres_url: str) -> None:
    positions = [(356.33841, 50.516), (0.33841, 50.516)]
    field = {"width_px": 250}
    async with associator(postgres_url) as case:
        for step in range(10):
            await case.feed(image(step, positions, centre=(358.125, 50.941028), **field))
        await case.feed(image(10, positions, centre=(354.375, 50.941028), **field))
        found = await case.sources()
        assert sorted(row["ra"] for row in found) == pytest.approx([0.33841, 356.33841])


@pytest.mark.parametrize(
    ("positions", "mean"),
    [
        ([(7.5, 0.0)] * 4, 7.5),
        ([(0.0, 0.0)] * 5, 0.0),
        ([(0.0001, 10.5), (0.0003, 10.5), (359.9999, 10.5)], 0.0001),
        ([(120.0, 90.0), (300.0, 90.0)], None),
        ([(10.0, 89.9999), (190.0, 89.9999)], None),
    ],
)
async def test_a5_a7_a9_one_source_at_0h_and_at_the_pole(
    postgres_url: str, positions: list[tuple[float, float]], mean: float | None
) -> None:
    async with associator(postgres_url) as case:
        for step, position in enumerate(positions):
            await case.feed(image(step, [position], centre=(0.0, min(position[1], 89.0))))
        (only,) = await case.sources()
        assert only["n_datapoints"] == len(positions)
        if mean is not None:
            assert abs((only["ra"] - mean + 180) % 360 - 180) < 1e-9


async def test_a10_the_de_ruiter_radius(postgres_url: str) -> None:
    async with associator(
        postgres_url, de_ruiter_radius=100, systematic_position_error_arcsec=0
    ) as case:
        await case.feed(image(0, [(10.0, 0.0)], centre=(10.0, 0.0)))
        await case.feed(image(1, [(10.02, 0.0)], centre=(10.0, 0.0)))
        rows = await case.rows(
            "select de_ruiter_radius from detection join source on source.id = source_id "
            "where source.stream_id = (select id from stream where name = $1) order by time_start",
            case.stream,
        )
        assert rows[0]["de_ruiter_radius"] is None
        assert rows[1]["de_ruiter_radius"] == pytest.approx(5.0911688, rel=1e-6)


async def test_a12_a_split_keeps_the_id_for_the_nearer(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(0, [(123.1235, 10.55)]))
        await case.feed(image(1, [(123.12349, 10.549), (123.12351, 10.551)]))
        first, second = await case.sources()
        assert [first["n_datapoints"], second["n_datapoints"]] == [2, 2]
        assert first["parent_source_id"] is None
        assert second["parent_source_id"] == first["id"]


async def test_a13_one_measurement_may_belong_to_two_sources(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(0, [(122.985, 10.5), (123.015, 10.5)]))
        await case.feed(image(1, [(123.0, 10.5)]))
        found = await case.sources()
        assert [row["n_datapoints"] for row in found] == [2, 2]
        radii = await case.rows(
            "select d.de_ruiter_radius as main, s.de_ruiter_radius as other "
            "from shared_detection s "
            "join detection d using (time_start, image_key, source_number) "
            "where s.source_id = any($1)",
            [row["id"] for row in found],
        )
        assert len(radii) == 1
        assert radii[0]["main"] == pytest.approx(1.679, abs=1e-3)
        assert radii[0]["other"] == pytest.approx(1.679, abs=1e-3)


async def test_a17_a_source_detected_once_stays(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(0, [POSITION]))
        for step in range(1, 8):
            await case.feed(image(step))
        (only,) = await case.sources()
        assert only["n_datapoints"] == 1
        assert await case.outcomes() == {"processed": 8}


async def test_f1_v_and_eta(postgres_url: str) -> None:
    expected = [(0.0, 0.0), (0.157135, 5e5), (0.115033, 2.8e5)]
    async with associator(postgres_url) as case:
        for step, (flux, (v, eta)) in enumerate(zip((2.0, 2.5, 2.4), expected, strict=True)):
            await case.feed(image(step, sources([POSITION], flux_jy=flux, flux_err_jy=5e-4)))
            (only,) = await case.sources()
            assert only["v"] == pytest.approx(v, abs=1e-6)
            assert only["eta"] == pytest.approx(eta, rel=1e-6)


async def test_f3_v_and_eta_of_both_halves_of_a_split(postgres_url: str) -> None:
    away = 100 / 3600
    async with associator(postgres_url) as case:
        await case.feed(image(0, sources([POSITION], flux_jy=3.0, flux_err_jy=0.5)))
        both = sources(
            [POSITION, (POSITION[0], POSITION[1] + away)], flux_jy=[3.2, 3.4], flux_err_jy=0.5
        )
        await case.feed(image(1, both))
        curves = await case.light_curves()
        means = [row["flux_int_mean_jy"] for row in curves]
        assert means == pytest.approx([3.1, 3.2])
        found = await case.sources()
        assert [row["v"] for row in found] == pytest.approx([0.0456198, 0.0883883], abs=1e-6)
        assert [row["eta"] for row in found] == pytest.approx([0.08, 0.32])


async def test_t1_a_steady_source_is_never_new(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        for step in range(4):
            await case.feed(image(step, sources([POSITION], flux_jy=0.01313)))
        assert case.events == []


async def test_t2_a_source_at_an_empty_position_is_new(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        for step in range(4):
            measured = sources([POSITION] if step == 2 else [], flux_jy=0.01313)
            await case.feed(image(step, measured))
        (event,) = case.events
        assert event.kind == "new_source"
        assert event.certainty == "certain"
        assert (event.v, event.eta) == (None, None)  # of one point
        assert event.limit_previous_jy_beam == pytest.approx(0.013)


@pytest.mark.parametrize(
    ("flux_jy", "certainty"), [(0.06565, "certain"), (0.02626, None), (0.0202, None)]
)
async def test_t5_the_rms_at_the_position_decides(
    postgres_url: str, flux_jy: float, certainty: str | None
) -> None:
    """Rms grows from 2 to 5 mJy along RA; the source is where it is about 5."""
    gradient = np.tile(np.array([5e-3, 4e-3, 3e-3, 2e-3]), (4, 1))
    async with associator(postgres_url) as case:
        await case.feed(image(0, rms_jy_beam=gradient))
        await case.feed(image(1, sources([(131.0, 10.0)], flux_jy=flux_jy), rms_jy_beam=gradient))
        assert [event.certainty for event in case.events] == ([certainty] if certainty else [])


async def test_t7_s4_nothing_is_new_in_sky_or_bands_without_coverage(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(0, freq_eff_hz=250e6))
        await case.feed(image(1, [POSITION], freq_eff_hz=50e6))
        await case.feed(image(2, [(200.0, 40.0)], freq_eff_hz=250e6, centre=(200.0, 40.0)))
        assert case.events == []


async def test_b1_bands_are_recognised(postgres_url: str) -> None:
    centres = [(124.02191e6, 1.7578e6)] * 2 + [(114.02191e6, 1.7578e6), (123.924255e6, 1.953e6)]
    async with associator(postgres_url) as case:
        for step, (freq_eff_hz, freq_bw_hz) in enumerate(centres):
            await case.feed(image(step, freq_eff_hz=freq_eff_hz, freq_bw_hz=freq_bw_hz))
        rows = await case.rows(
            "select band_id from image join stream on stream.id = stream_id "
            "where name = $1 order by time_start",
            case.stream,
        )
        bands = [row["band_id"] for row in rows]
        assert bands[0] == bands[1] == bands[3] != bands[2]


async def test_a_source_that_becomes_variable_is_announced_once(postgres_url: str) -> None:
    fluxes = [0.02, 0.02, 0.03, 0.015, 0.03, 0.01, 0.03, 0.01, 0.03, 0.01]
    async with associator(postgres_url) as case:
        for step, flux in enumerate(fluxes):
            await case.feed(image(step, sources([POSITION], flux_jy=flux)))
        (event,) = (event for event in case.events if event.kind != "update")
        assert event.kind == "variable"
        assert (event.n_datapoints, event.trigger) == (3, "single")
        assert event.flux_expected_jy_beam == pytest.approx(0.02)
        assert event.eta > 5

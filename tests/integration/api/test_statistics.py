"""Statistics of a light curve over REST, against NumPy on the same points."""

import numpy as np
import pytest

from tests.support.api_rows import Rows, rows_of
from tests.support.api_service import client_of

QUANTITIES = ["flux_int_jy", "flux_peak_jy_beam"]


async def curve(
    rows: Rows, fluxes: list[float], errors: list[float], *, freq_eff_hz: float = 150e6
) -> int:
    """Return a source with a point every 10 s."""
    images = [await rows.image(step, freq_eff_hz) for step in range(len(fluxes))]
    source = await rows.source(10.0, 10.0, image=images[0])
    for image, flux, error in zip(images, fluxes, errors, strict=True):
        await rows.point(
            source, image, flux, flux_int_err_jy=error, flux_peak_jy_beam=2 * flux,
            flux_peak_err_jy_beam=2 * error,
        )  # fmt: skip
    return source


def reference(flux: np.ndarray, error: np.ndarray) -> dict[str, float | None]:
    """Return what the API should say of the points of one look-back."""
    n = flux.size
    weight = error**-2
    found: dict[str, float | None] = {
        "n_datapoints": n, "max": flux.max(), "mean": flux.mean(), "median": np.median(flux),
        "eta": 0.0, "v": 0.0, "vs": None, "m": None,
    }  # fmt: skip
    if n > 1:
        mean = np.average(flux, weights=weight)
        vs = np.diff(flux) / np.hypot(error[1:], error[:-1])
        widest = int(np.argmax(np.abs(vs)))
        found["eta"] = np.sum(weight * (flux - mean) ** 2) / (n - 1)
        found["v"] = flux.std(ddof=1) / flux.mean()
        found["vs"] = vs[widest]
        found["m"] = np.diff(flux)[widest] / ((flux[1:] + flux[:-1])[widest] / 2)
    return found


async def test_statistics_of_time_windows_are_those_of_numpy(postgres_url: str) -> None:
    rng = np.random.default_rng(1)
    flux, error = rng.uniform(0.01, 0.05, 20), rng.uniform(1e-3, 2e-3, 20)
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        source = await curve(rows, flux.tolist(), error.tolist())
        body = (
            await client.get(f"/api/v1/sources/{source}", params={"look_back_s": [55, 5]})
        ).json()
        found = {(each["quantity"], each["look_back_s"]): each for each in body["statistics"]}
        assert len(body["statistics"]) == 6
        # 55 s before the newest point: six points of every 10 s.
        for look_back_s, n in ((None, 20), (55.0, 6), (5.0, 1)):
            for quantity, factor in zip(QUANTITIES, (1, 2), strict=True):
                wanted = reference(factor * flux[-n:], factor * error[-n:])
                got = found[quantity, look_back_s]
                for name, value in wanted.items():
                    assert got[name] == (value and pytest.approx(value, rel=1e-9)), name
        widest = found["flux_int_jy", None]["pair_time_start"]
        points = (await client.get(f"/api/v1/sources/{source}/lightcurve")).json()["points"]
        vs = np.abs(np.diff(flux) / np.hypot(error[1:], error[:-1]))
        assert widest == points[int(np.argmax(vs)) + 1]["time_start"]
        assert found["flux_int_jy", 5.0]["pair_time_start"] is None


async def test_eta_keeps_six_digits_at_a_signal_to_noise_of_1e5(postgres_url: str) -> None:
    rng = np.random.default_rng(2)
    flux = 1.0 + rng.normal(0, 1e-5, 200)
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        source = await curve(rows, flux.tolist(), [1e-5] * flux.size)
        body = (await client.get(f"/api/v1/sources/{source}")).json()
        whole = next(each for each in body["statistics"] if each["look_back_s"] is None)
        exact = np.sum(((flux - flux.mean()) / 1e-5) ** 2) / (flux.size - 1)
        assert whole["eta"] == pytest.approx(exact, rel=1e-6)


async def test_forced_points_count_unless_only_blind_ones_are_asked_for(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        source = await curve(rows, [0.02, 0.03], [1e-3, 1e-3])
        await rows.point(source, await rows.image(2), -0.001, extraction_type="forced")
        for blind_only, n in ((False, 3), (True, 2)):
            body = (
                await client.get(f"/api/v1/sources/{source}", params={"blind_only": blind_only})
            ).json()
            assert {
                each["n_datapoints"] for each in body["statistics"] if not each["look_back_s"]
            } == {n}


async def test_points_without_flux_or_error_do_not_count(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        nan, inf = float("nan"), float("inf")
        source = await curve(
            rows, [0.02, nan, 0.03, inf, 0.04, 0.05], [1e-3, 1e-3, nan, 1e-3, inf, 0.0]
        )
        body = (await client.get(f"/api/v1/sources/{source}")).json()
        assert {each["n_datapoints"] for each in body["statistics"]} == {1}


async def test_each_band_has_statistics_and_two_have_a_spectral_index(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        source = await curve(rows, [0.02], [1e-3])
        await rows.point(source, await rows.image(0, 75e6), 0.04)
        for freq_eff_hz, flux in ((150e6, 0.02), (75e6, 0.04)):
            await rows.connection.execute(
                "insert into source_band values "
                "($1, $2, 'I', 1, $3, 0, 1e6, $3, 0, $3, 0, 1e6, $3, 0, $3)",
                source, await rows.band(freq_eff_hz), flux,
            )  # fmt: skip
        body = (await client.get(f"/api/v1/sources/{source}")).json()
        assert {each["freq_eff_hz"] for each in body["statistics"]} == {75e6, 150e6}
        assert body["spectral_index"] == pytest.approx(-1.0)
        assert body["spectral_index_err"] == pytest.approx(
            np.hypot(1e-3 / 0.02, 1e-3 / 0.04) / np.log(2)
        )
        answer = await client.get("/api/v1/sources", params={"stream": rows.stream})
        (item,) = answer.json()["items"]
        assert item["spectral_index"] == body["spectral_index"]
        assert "statistics" not in item


@pytest.mark.parametrize("look_back_s", ["0", "-1", "nan", "x"])
async def test_an_impossible_time_window_is_refused(postgres_url: str, look_back_s: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        source = await curve(rows, [0.02], [1e-3])
        answer = await client.get(f"/api/v1/sources/{source}", params={"look_back_s": look_back_s})
        assert answer.status_code in (400, 422)
        assert "look_back_s" in answer.json()["detail"]

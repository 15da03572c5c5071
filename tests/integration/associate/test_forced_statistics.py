"""Forced points count: catalogue, lists and detail agree with NumPy on the light curve."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from schemas.messages import ForcedMeasurements, ForcedRequest
from tests.support.api_service import client_of
from tests.support.association import Associator, associator
from tests.support.forced_results import measure, store
from tests.support.records import image, sources

PLACES = [(123.0 + 0.5 * number, 10.0) for number in range(6)]
BANDS_HZ = (140e6, 160e6)


def answer(request: ForcedRequest, rng: np.random.Generator) -> ForcedMeasurements:
    """Return a result with a flux of its own at every position."""
    result = measure(request)
    n = len(result.measurements.extraction_type)
    columns = replace(
        result.measurements,
        flux_peak_jy_beam=rng.normal(1e-3, 2e-3, n),
        flux_peak_err_jy_beam=rng.uniform(5e-4, 2e-3, n),
    )
    return replace(result, measurements=columns)


async def observe(case: Associator, rng: np.random.Generator, n_steps: int) -> None:
    """Detect each source in some of the images; the answers to requests come late and twice."""
    for step in range(n_steps):
        records = []
        for freq_hz in BANDS_HZ:
            seen = [place for place in PLACES if step == 0 or rng.random() < 0.5]
            measured = sources(seen, flux_jy=rng.uniform(0.01, 0.05, len(seen)))
            measured = replace(
                measured,
                flux_int_jy=measured.flux_int_jy * rng.uniform(0.8, 1.6, len(seen)),
                flux_int_err_jy=rng.uniform(5e-4, 2e-3, len(seen)),
            )
            records.append(image(step, measured, freq_eff_hz=freq_hz))
        waiting = list(case.requests)
        case.requests.clear()
        await case.feed(*records)
        for request in waiting:
            result = answer(request, rng)
            await store(case, result)
            await store(case, result)


def largest(points: list[dict[str, Any]], kind: str) -> tuple[float, float, int]:
    """Return eta and V of the channel of the largest eta, and the number of points of all."""
    unit = "jy" if kind == "int" else "jy_beam"
    found = []
    for freq_hz in {point["freq_eff_hz"] for point in points}:
        mine = [point for point in points if point["freq_eff_hz"] == freq_hz]
        flux = np.array([point[f"flux_{kind}_{unit}"] for point in mine])
        err = np.array([point[f"flux_{kind}_err_{unit}"] for point in mine])
        if flux.size > 1:
            mean = np.average(flux, weights=err**-2)
            eta = np.sum(((flux - mean) / err) ** 2) / (flux.size - 1)
            found.append((eta, flux.std(ddof=1) / flux.mean(), len(points)))
    return max(found, default=(0.0, 0.0, len(points)))


def reference(points: list[dict[str, Any]]) -> dict[str, float]:
    """Return what every page must say of a source, from its light curve."""
    blind = [point for point in points if point["extraction_type"] == "blind"]
    wanted: dict[str, float] = {"n_datapoints": len(points)}
    wanted["n_forced"] = len(points) - len(blind)
    for kind, name in (("int", ""), ("peak", "_peak")):
        for chosen, suffix in ((points, ""), (blind, "_blind")):
            eta, v, _ = largest(chosen, kind)
            wanted |= {f"eta{name}{suffix}": eta, f"v{name}{suffix}": v}
    return wanted


async def test_lists_and_detail_agree_with_numpy_on_the_light_curve(postgres_url: str) -> None:
    rng = np.random.default_rng(15)
    async with associator(postgres_url, window_timeout_s=30.0) as case:
        await observe(case, rng, 8)
        async with client_of(postgres_url) as client:
            listed = (await client.get("/api/v1/sources", params={"stream": case.stream})).json()[
                "items"
            ]
            assert len(listed) == len(PLACES)
            for item in listed:
                url = f"/api/v1/sources/{item['id']}"
                points = (await client.get(f"{url}/lightcurve")).json()["points"]
                wanted = reference(points)
                assert wanted["n_forced"] > 0
                detail = (await client.get(url)).json()
                for found in (item, detail):
                    assert {name: found[name] for name in wanted} == pytest.approx(
                        wanted, rel=1e-9
                    )
                whole = [
                    each
                    for each in detail["statistics"]
                    if each["look_back_s"] is None and each["quantity"] == "flux_int_jy"
                ]
                assert max(each["eta"] for each in whole) == pytest.approx(wanted["eta"])
            transients = (
                await client.get("/api/v1/transients", params={"stream": case.stream})
            ).json()["items"]
            assert transients
            by_id = {item["id"]: item for item in listed}
            for each in transients:
                same = by_id[each["source_id"]]
                for name in reference([]):
                    assert each[name] == same[name], name


async def test_a_bright_source_that_vanishes_has_a_large_eta_in_the_list(
    postgres_url: str,
) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(0, sources(PLACES[:1], flux_jy=0.1, flux_err_jy=1e-3)))
        await case.feed(image(1))
        (request,) = case.requests
        await store(case, measure(request, 0.0))
        (row,) = await case.sources()
    assert row["eta"] == pytest.approx(100**2 / 2)
    assert row["v"] == pytest.approx(2**0.5)
    assert (row["n_datapoints"], row["n_forced"]) == (2, 1)


async def test_an_event_of_a_source_seen_once_has_no_variability(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(0))
        await case.feed(image(1, sources(PLACES[:1], flux_jy=0.05)))
        (event,) = case.events
        async with client_of(postgres_url) as client:
            (item,) = (
                await client.get("/api/v1/transients", params={"stream": case.stream})
            ).json()["items"]
    assert (event.eta, event.v, event.eta_blind, event.v_peak) == (None,) * 4
    assert (event.n_datapoints, event.n_forced) == (1, 0)
    assert (item["eta"], item["v"]) == (0.0, 0.0)


# The earlier image was searched down to 8 sigma, this one to 5: a steady source of 7 sigma is
# detected for the first time, and was there before.
@pytest.mark.parametrize(("earlier_sigma", "n_events"), [(8.0, 0), (5.0, 1)])
async def test_an_earlier_image_counts_with_its_own_threshold(
    postgres_url: str, earlier_sigma: float, n_events: int
) -> None:
    async with associator(postgres_url, new_source_sigma_margin=1.0) as case:
        await case.feed(image(0, detection_threshold_sigma=earlier_sigma))
        await case.feed(image(1, sources(PLACES[:1], flux_jy=7e-3), detection_threshold_sigma=5.0))
        assert len(case.events) == n_events

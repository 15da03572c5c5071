"""Images that are shifted or off in flux, among good ones: no ghosts, no variables."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from schemas.messages import ForcedRequest, ImageDetections
from sky.geometry import move_in_plane, tangent_offsets
from tests.support.api_service import client_of
from tests.support.association import Associator, associator
from tests.support.forced_results import measure, store
from tests.support.records import BEAM_MAJOR_DEG, image, sources

CENTRE = (123.0, 10.0)
N_SOURCES, N_GOOD = 150, 3
ERR_DEG = 2 / 3600
LIMITS = {"systematic_position_error_arcsec": 5.0, "variable_min_points": 2}


def sky(seed: int = 1, n: int = N_SOURCES) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return steady sources over 30 sigma at random places, the last one the faintest."""
    rng = np.random.default_rng(seed)
    at = np.full(n, CENTRE[0]), np.full(n, CENTRE[1])
    east, north = rng.uniform(-7, 7, (2, n))
    ra, dec = move_in_plane(*at, centre=CENTRE, offset_deg=(east, north))
    return ra, dec, np.sort(rng.uniform(0.03, 1, n))[::-1]


def observe(
    step: int,
    field: tuple[np.ndarray, np.ndarray, np.ndarray],
    *,
    shift_beams: tuple[float, float] = (0.0, 0.0),
    factor: float = 1.0,
    n_seen: int = N_SOURCES,
) -> ImageDetections:
    rng = np.random.default_rng(1000 + step)
    ra, dec, flux = (each[:n_seen] for each in field)
    offset = rng.normal(0, ERR_DEG, (2, n_seen)) + BEAM_MAJOR_DEG * np.array(shift_beams)[:, None]
    moved = move_in_plane(ra, dec, centre=CENTRE, offset_deg=(offset[0], offset[1]))
    measured = sources(
        list(zip(*(each.tolist() for each in moved), strict=True)),
        flux_jy=(flux + rng.normal(0, 1e-3, n_seen)) * factor,
        flux_err_jy=1e-3 * factor,
        pos_err_arcsec=3600 * ERR_DEG,
        rms_jy_beam=1e-3 * factor,
    )
    return image(step, measured, centre=CENTRE, rms_jy_beam=1e-3 * factor)


@asynccontextmanager
async def good_night(postgres_url: str, **settings: float) -> AsyncIterator[Associator]:
    """Give an associator that knows the sky from good images."""
    async with associator(postgres_url, **(LIMITS | settings)) as case:
        for step in range(N_GOOD):
            await case.feed(observe(step, sky()))
        case.requests.clear()
        assert case.events == []
        assert len(await case.sources()) == N_SOURCES
        yield case


async def image_of(postgres_url: str, record: ImageDetections) -> dict[str, object]:
    async with client_of(postgres_url) as client:
        answer = await client.get(f"/api/v1/images/{record.image_id}")
        assert answer.status_code == 200
        return dict(answer.json())


@pytest.mark.parametrize("shift_beams", [(0.5, 0.0), (-0.9, 0.9), (0.0, 1.9)])
@pytest.mark.parametrize("factor", [1 / 1.5, 1.5])
async def test_a_shifted_and_scaled_image_joins_the_catalogue_where_it_belongs(
    postgres_url: str, shift_beams: tuple[float, float], factor: float
) -> None:
    async with good_night(postgres_url) as case:
        record = observe(N_GOOD, sky(), shift_beams=shift_beams, factor=factor)
        await case.feed(record)
        await case.feed(observe(N_GOOD + 1, sky()))
        assert case.events == []
        rows = await case.sources()
        assert [row["n_datapoints"] for row in rows] == [N_GOOD + 2] * N_SOURCES
        assert max(row["eta"] for row in rows) < 6
        shown = await image_of(postgres_url, record)
        assert (shown["shift_status"], shown["flux_status"]) == ("solved", "solved")
        beam_arcsec = 3600 * BEAM_MAJOR_DEG
        assert shown["shift_east_arcsec"] == pytest.approx(beam_arcsec * shift_beams[0], abs=2)
        assert shown["shift_north_arcsec"] == pytest.approx(beam_arcsec * shift_beams[1], abs=2)
        assert shown["flux_factor"] == pytest.approx(factor, rel=0.02)
        assert shown["is_shift_applied"] is shown["is_flux_factor_applied"] is True


@pytest.mark.parametrize(
    ("shift_beams", "factor", "reason"),
    [((3.0, 0.0), 1.0, "astrometry_off"), ((0.0, 0.0), 3.0, "flux_scale_off")],
)
async def test_an_image_that_is_too_far_off_is_rejected_with_the_reason(
    postgres_url: str, shift_beams: tuple[float, float], factor: float, reason: str
) -> None:
    async with good_night(postgres_url) as case:
        before = await case.sources()
        record = observe(N_GOOD, sky(), shift_beams=shift_beams, factor=factor)
        await case.feed(record)
        assert case.events == []
        assert case.requests == []
        assert await case.sources() == before
        shown = await image_of(postgres_url, record)
        assert (shown["verdict"], shown["reasons"]) == ("rejected", [reason])
        assert shown["reason_text"]
        ledger = await case.rows(
            "select outcome, reasons from image_ledger where image_id = $1 and stream = $2",
            record.image_id, case.stream,
        )  # fmt: skip
        assert ledger == [{"outcome": "rejected", "reasons": [reason]}]


async def test_a_new_source_in_a_shifted_image_is_announced_where_it_is(postgres_url: str) -> None:
    field = sky()
    ra, dec = move_in_plane(
        np.array([CENTRE[0]]), np.array([CENTRE[1]]), centre=CENTRE, offset_deg=(0.3, 0.2)
    )
    more = tuple(np.append(each, extra) for each, extra in zip(field, (ra, dec, 0.1), strict=True))
    async with good_night(postgres_url) as case:
        record = observe(N_GOOD, more, shift_beams=(1.0, 1.0), factor=1.5, n_seen=N_SOURCES + 1)
        await case.feed(record)
        [event] = case.events
        assert event.kind == "new_source"
        east, north = tangent_offsets(ra, dec, np.array([event.ra]), np.array([event.dec]))
        assert np.hypot(east, north)[0] < 10 / 3600
        assert event.flux_peak_jy_beam == pytest.approx(0.1, rel=0.05)


async def test_forced_photometry_is_asked_for_in_the_image_and_stored_on_the_sky(
    postgres_url: str,
) -> None:
    field = sky()
    async with good_night(postgres_url) as case:
        record = observe(N_GOOD, field, shift_beams=(-1.2, 0.8), factor=1.5, n_seen=N_SOURCES - 1)
        await case.feed(record)
        [request] = case.requests
        assert offset_beams(request, field) == pytest.approx((-1.2, 0.8), abs=0.02)
        await store(case, measure(request, 1.5 * float(field[2][-1])))
        [row] = await case.rows(
            "select ra, dec, flux_peak_jy_beam, rms_local_jy_beam from detection "
            "join image using (image_key) join stream on stream.id = image.stream_id "
            "where image_id = $1 and name = $2 and extraction_type = 'forced'",
            record.image_id,
            case.stream,
        )
        assert (row["ra"], row["dec"]) == pytest.approx((field[0][-1], field[1][-1]), abs=5 / 3600)
        assert row["flux_peak_jy_beam"] == pytest.approx(field[2][-1], rel=0.02)
        assert row["rms_local_jy_beam"] == pytest.approx(1e-3 / 1.5, rel=0.02)


def offset_beams(
    request: ForcedRequest, field: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> tuple[float, float]:
    """Return how far the requested position is from that of the faintest source [beams]."""
    east, north = tangent_offsets(
        field[0][-1:], field[1][-1:], request.positions.ra, request.positions.dec
    )
    return float(east[0]) / BEAM_MAJOR_DEG, float(north[0]) / BEAM_MAJOR_DEG


async def test_real_variables_stay_variable(postgres_url: str) -> None:
    ra, dec, flux = sky()
    varied = flux * np.where(np.arange(N_SOURCES) % 5 == 0, 2.0, 1.0)
    async with good_night(postgres_url) as case:
        await case.feed(observe(N_GOOD, (ra, dec, varied)))
        assert {event.kind for event in case.events} == {"variable"}
        assert len(case.events) == N_SOURCES // 5


async def test_a_field_without_enough_sources_says_so(postgres_url: str) -> None:
    async with associator(postgres_url, **LIMITS) as case:
        few = tuple(each[:3] for each in sky())
        await case.feed(observe(0, few, n_seen=3))
        record = observe(1, few, n_seen=3)
        await case.feed(record)
        shown = await image_of(postgres_url, record)
        assert shown["shift_status"] == "too_few_sources"
        assert shown["shift_east_arcsec"] is shown["flux_factor"] is None

"""Bounds and order of the list of images."""

import math

import httpx
import pytest

from tests.support.api_rows import rows_of
from tests.support.api_service import client_of

_PATH = "/api/v1/images"


async def listed(client: httpx.AsyncClient, **asked: object) -> list[int]:
    """Return the numbers of the images of all pages."""
    found: list[int] = []
    cursor = None
    while True:
        page = {} if cursor is None else {"cursor": cursor}
        answer = await client.get(_PATH, params={"limit": 2, **asked, **page})
        assert answer.status_code == 200, answer.text
        found += [item["id"] for item in answer.json()["items"]]
        cursor = answer.json()["next"]
        if cursor is None:
            return found


async def test_images_are_listed_within_bounds_in_both_orders(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        images = [
            await rows.image(
                step,
                60e6 * (1 + step % 2),
                rms_jy_beam=rms,
                exposure_s=float(step),
                n_sources=step,
            )
            for step, rms in enumerate((0.1, 0.2, 0.3, math.nan, 0.5))
        ]
        of_stream = {"stream": rows.stream}
        assert await listed(client, **of_stream) == images[::-1]
        assert await listed(client, **of_stream, order="asc") == images
        for bounds, wanted in (
            ({"min_rms_jy_beam": 0.2}, [1, 2, 4]),
            ({"max_rms_jy_beam": 0.3}, [0, 1, 2]),
            ({"min_exposure_s": 1, "max_exposure_s": 3}, [1, 2, 3]),
            ({"min_freq_eff_hz": 1e8}, [1, 3]),
            ({"max_freq_bw_hz": 1e6}, []),
            ({"min_n_sources": 4}, [4]),
        ):
            found = await listed(client, **of_stream, **bounds, order="asc")
            assert found == [images[number] for number in wanted], bounds
        table = await client.get(
            _PATH, params={**of_stream, "order": "asc", "min_n_sources": 3, "format": "csv"}
        )
        ids = [line.partition(",")[0] for line in table.text.splitlines() if line[:1].isdigit()]
        assert ids == [str(image) for image in images[3:]]


@pytest.mark.parametrize(
    "asked", [{"order": "up"}, {"min_rms_jy_beam": "nan"}, {"min_n_sources": -1}, {"sort": "id"}]
)
async def test_wrong_bounds_are_refused(postgres_url: str, asked: dict[str, object]) -> None:
    async with client_of(postgres_url) as client:
        assert (await client.get(_PATH, params=asked)).status_code == 400

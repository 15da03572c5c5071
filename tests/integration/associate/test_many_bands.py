"""What is stored of the images of a timestep goes to PostgreSQL together."""

from collections import Counter

import pytest

from tests.support.association import associator
from tests.support.records import image, sources
from tests.support.statements import counted_statements, without_polls

STEADY = [(123.0, 10.0), (123.4, 10.3), (122.7, 9.8)]


async def count_statements(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, n_bands: int
) -> Counter[str]:
    """Return the statements of a timestep in which all bands detect known sources."""
    async with associator(postgres_url, window_timeout_s=30.0) as case:
        for step in range(3):
            images = [
                image(step, sources(STEADY, flux_jy=0.02), freq_eff_hz=(120 + 10 * band) * 1e6)
                for band in range(n_bands)
            ]
            with counted_statements(monkeypatch) as statements:
                await case.feed(*images)
        n_points = [row["n_datapoints"] for row in await case.light_curves()]
    assert n_points == [3] * n_bands * len(STEADY)
    return without_polls(statements)


async def test_more_bands_take_no_more_statements(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, many = [await count_statements(postgres_url, monkeypatch, n) for n in (2, 6)]
    assert few == many
    assert few["insert_detections"] == 1

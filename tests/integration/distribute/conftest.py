"""Fixtures of the tests of the distribute service."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.support.vtp_service import AlertSite, alert_site


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to the database that the tests share."""
    made = await asyncpg.create_pool(postgres_url, min_size=1, max_size=3)
    yield made
    await made.close()


@pytest.fixture
def site(kafka_bootstrap: str, postgres_url: str, tmp_path: Path) -> Iterator[AlertSite]:
    """Topics and a database of one test."""
    with alert_site(kafka_bootstrap, postgres_url, tmp_path) as made:
        yield made

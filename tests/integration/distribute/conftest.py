"""Fixtures of the tests of the distribute service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.vtp_service import AlertSite, alert_site


@pytest.fixture
def site(kafka_bootstrap: str, postgres_url: str, tmp_path: Path) -> Iterator[AlertSite]:
    """Topics and a database of one test."""
    with alert_site(kafka_bootstrap, postgres_url, tmp_path) as made:
        yield made

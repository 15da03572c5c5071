"""Fixtures every test may use: a real Kafka and a real PostgreSQL, started once a run."""

from collections.abc import Iterator

import pytest

from tests.support.stack import BackingServers, backing_servers


@pytest.fixture(scope="session")
def servers() -> Iterator[BackingServers]:
    """Kafka and PostgreSQL of this test run, started when first asked for."""
    with backing_servers() as started:
        yield started


@pytest.fixture(scope="session")
def kafka_bootstrap(servers: BackingServers) -> str:
    """Address of the test run's Kafka; topics are the test's own business."""
    return servers.bootstrap_servers


@pytest.fixture(scope="session")
def postgres_url(servers: BackingServers) -> str:
    """Address of the test run's migrated database, shared by all tests."""
    return servers.postgres_url

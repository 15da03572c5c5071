"""One associate service for the tests of a module, each of which has a stream of its own."""

from collections.abc import Iterator

import pytest

from tests.support.decision_site import DecisionSite, decision_site


@pytest.fixture(scope="module")
def site(
    kafka_bootstrap: str, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DecisionSite]:
    folder = tmp_path_factory.mktemp("associate")
    with decision_site(kafka_bootstrap, postgres_url, folder) as made:
        yield made

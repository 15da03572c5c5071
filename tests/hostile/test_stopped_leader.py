"""A leader that is stopped while its topic is flooded is replaced, and nothing is twice."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.alert.test_service import assert_replaced_without_repetition, events
from tests.support.vtp_service import AlertSite, alert_site

# Some hundred a second, more than a night of images makes.
N_OF_A_WAVE, PAUSE_S = 100, 0.2
GARBAGE = b"\x00" * 200


@pytest.fixture
def site(kafka_bootstrap: str, postgres_url: str, tmp_path: Path) -> Iterator[AlertSite]:
    with alert_site(kafka_bootstrap, postgres_url, tmp_path) as made:
        yield made


@contextmanager
def flooding(site: AlertSite) -> Iterator[threading.Event]:
    """Publish events that are alerts already, and what is no event, from when it is set on."""
    may_begin, is_over = threading.Event(), threading.Event()

    def flood() -> None:
        may_begin.wait()
        while not is_over.wait(PAUSE_S):
            site.publish([*events(0, 10), *[GARBAGE] * N_OF_A_WAVE])

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        yield may_begin
    finally:
        is_over.set()
        may_begin.set()
        thread.join()


def test_a_leader_that_is_stopped_while_flooded_is_replaced_and_nothing_is_twice(
    site: AlertSite,
) -> None:
    with flooding(site) as flood:
        assert_replaced_without_repetition(site, flood.set)

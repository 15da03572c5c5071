"""A killed Kafka or PostgreSQL: what was sent is kept, and the services go on with it."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.support.fits_images import make
from tests.support.night import Stack, publish, running_stack, wait_for

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Give a service with servers of its own."""
    with running_stack() as started:
        yield started


@pytest.mark.parametrize(("server", "day"), [("kafka", 2), ("postgres", 3)])
def test_a_server_that_dies_in_the_middle_costs_nothing(
    stack: Stack, server: str, day: int
) -> None:
    images = [
        make(**{"DATE-OBS": f"2026-01-{day:02d}T00:00:{second:02d}"}) for second in range(60)
    ]
    publish(stack, stack.topics.images, images[:30], stream=server)
    killed = stack.refresh()["services"][server]["pid"]
    os.kill(killed, signal.SIGKILL)

    def is_back() -> bool:
        status = stack.refresh()
        found = status["services"][server]
        return status["ready"] and found["state"] == "RUNNING" and found["pid"] != killed

    wait_for(is_back, what=f"{server} back")
    publish(stack, stack.topics.images, images[30:], stream=server)
    wait_for(lambda: stack.n_in_ledger(server) == 60, what="all images in the ledger")
    assert set(stack.outcomes(server)) <= {"processed", "late"}

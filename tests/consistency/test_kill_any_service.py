"""Kill any service in the middle, freeze Kafka: the same alerts come out, each once."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.support.night import (
    LONG_WAIT,
    RunServers,
    Stack,
    ivorns_of,
    published,
    run_forked,
    running_stack,
    wait_for,
)
from tests.support.stack_processes import SERVICES

pytestmark = pytest.mark.timeout(1200)

TIMESTEPS = 14
BANDS = 2
# The fault, not a wait: longer than the sessions of all members and a client's request.
FROZEN_S = 60


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("short-night")
    run_forked(
        "simulate", str(out), "--images", str(TIMESTEPS), "--size", "256",
        "--bands", str(BANDS), "--seed", "7", "--transients", "4",
    )  # fmt: skip
    return out


@pytest.fixture(scope="module")
def undisturbed(servers: RunServers, night: Path) -> Counter[str]:
    with servers.stack(**LONG_WAIT) as stack:
        ivorns = observe(stack, night, lambda _: None)
    assert ivorns, "the simulated night must hold something to alert on"
    assert max(ivorns.values()) == 1
    return ivorns


def observe(stack: Stack, night: Path, disturb: Callable[[Stack], None]) -> Counter[str]:
    """Stream the night with a disturbance on the way; return the ivorns on Kafka."""
    disturbance = threading.Thread(target=disturb, args=(stack,))
    disturbance.start()
    run_forked(
        "ingest", str(night), "--stream", "night", "--rate", "4",
        "--data-dir", str(stack.data_dir),
    )  # fmt: skip
    disturbance.join()
    wait_for(lambda: stack.n_in_ledger() == TIMESTEPS * BANDS, what="all images in the ledger")
    assert stack.outcomes() == {"processed": TIMESTEPS * BANDS}
    stack.wait_until_decided()
    n_transients = len(stack.get("transients", limit=200)["items"])
    assert n_transients > 0
    alerts = wait_for(lambda: published(stack, n_transients), what="each alert on Kafka once")
    return Counter(ivorns_of(alerts))


def kill_each_service(stack: Stack) -> None:
    """Kill one after the other, each when some more images are through."""
    for number, victim in enumerate(SERVICES):
        wait_for(
            lambda n=2 + 4 * number: stack.n_in_ledger() >= n, what="images",
            every_s=0.05,
        )  # fmt: skip
        for name, service in stack.refresh()["services"].items():
            if name.split(":")[0].split("_")[0] == victim and service["pid"]:
                os.kill(service["pid"], signal.SIGKILL)


def pids_if_ready(stack: Stack) -> set[int]:
    """Return the processes of all services if the stack is ready; else none."""
    status = stack.refresh()
    return {status["services"][name]["pid"] for name in SERVICES} if status["ready"] else set()


def freeze_kafka_for_a_minute(stack: Stack) -> None:
    """Not killed: what its members ask it meanwhile, it answers all at once."""
    wait_for(lambda: stack.n_in_ledger() >= 6, what="images", every_s=0.05)
    kafka = psutil.Process(stack.refresh()["services"]["kafka"]["pid"])
    processes = [kafka, *kafka.children(recursive=True)]
    for process in processes:
        process.suspend()
    time.sleep(FROZEN_S)
    for process in processes:
        process.resume()


def test_killing_each_service_changes_nothing_and_all_at_once_are_started_again(
    servers: RunServers, night: Path, undisturbed: Counter[str]
) -> None:
    with servers.stack(**LONG_WAIT) as stack:
        assert observe(stack, night, kill_each_service) == undisturbed
        killed = wait_for(lambda: pids_if_ready(stack), what="all services")
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        wait_for(
            lambda: (pids := pids_if_ready(stack)) and pids.isdisjoint(killed),
            what="all services again",
        )


def test_a_kafka_that_is_away_for_a_minute_changes_nothing(
    night: Path, undisturbed: Counter[str]
) -> None:
    """It then fences a member that asked twice; whoever is fenced must start anew."""
    with running_stack(**LONG_WAIT) as stack:
        assert observe(stack, night, freeze_kafka_for_a_minute) == undisturbed

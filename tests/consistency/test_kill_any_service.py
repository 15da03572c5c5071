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

from tests.end_to_end.test_image_to_alert import ivorns_on_kafka
from tests.support.night import Stack, run, running_stack, wait_for

pytestmark = pytest.mark.timeout(600)

TIMESTEPS = 14
BANDS = 2


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("short-night")
    run(
        "simulate", str(out), "--images", str(TIMESTEPS), "--size", "256",
        "--bands", str(BANDS), "--seed", "7", "--transients", "4",
    )  # fmt: skip
    return out


@pytest.fixture(scope="module")
def undisturbed(night: Path) -> Counter[str]:
    ivorns = observe(night, lambda _: None)
    assert ivorns, "the simulated night must hold something to alert on"
    assert max(ivorns.values()) == 1
    return ivorns


def observe(night: Path, disturb: Callable[[Stack], None]) -> Counter[str]:
    """Stream the night with a disturbance on the way; return the ivorns on Kafka."""
    with running_stack() as stack:
        disturbance = threading.Thread(target=disturb, args=(stack,))
        disturbance.start()
        run(
            "ingest", str(night), "--stream", "night", "--rate", "4",
            "--data-dir", str(stack.data_dir),
        )  # fmt: skip
        disturbance.join()
        wait_for(
            lambda: sum(stack.outcomes().values()) == TIMESTEPS * BANDS, what="all images booked"
        )
        assert stack.outcomes() == {"processed": TIMESTEPS * BANDS}
        n_transients = len(stack.get("transients", limit=200)["items"])
        wait_for(lambda: len(ivorns_on_kafka(stack)) >= n_transients > 0, what="alerts on Kafka")
        time.sleep(2)  # a duplicate would still be on its way
        return Counter(ivorns_on_kafka(stack))


def kill_each_service(stack: Stack) -> None:
    for victim in ("extract", "associate", "alert", "distribute", "api"):
        time.sleep(1.5)
        for name, service in stack.refresh()["services"].items():
            if name.split(":")[0].split("_")[0] == victim and service["pid"]:
                os.kill(service["pid"], signal.SIGKILL)


def freeze_kafka_for_a_minute(stack: Stack) -> None:
    """Not killed: what its members ask it meanwhile, it answers all at once."""
    wait_for(lambda: sum(stack.outcomes().values()) >= 6, what="images", every_s=0.05)
    kafka = psutil.Process(stack.refresh()["services"]["kafka"]["pid"])
    processes = [kafka, *kafka.children(recursive=True)]
    for process in processes:
        process.suspend()
    time.sleep(60)
    for process in processes:
        process.resume()


def test_killing_each_service_changes_nothing(night: Path, undisturbed: Counter[str]) -> None:
    assert observe(night, kill_each_service) == undisturbed


def test_a_kafka_that_is_away_for_a_minute_changes_nothing(
    night: Path, undisturbed: Counter[str]
) -> None:
    """It then fences a member that asked twice; whoever is fenced must start anew."""
    assert observe(night, freeze_kafka_for_a_minute) == undisturbed

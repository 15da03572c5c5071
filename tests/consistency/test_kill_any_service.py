"""SIGKILL any service in the middle: the same alerts come out, none twice, none missing."""

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

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


def observe(night: Path, victims: tuple[str, ...]) -> Counter[str]:
    """Stream the night, killing each victim once on the way; return the ivorns on Kafka."""
    with running_stack() as stack:
        killer = threading.Thread(target=kill_in_turn, args=(stack, victims))
        killer.start()
        run(
            "ingest", str(night), "--stream", "night", "--rate", "4",
            "--data-dir", str(stack.data_dir),
        )  # fmt: skip
        killer.join()
        wait_for(
            lambda: sum(stack.outcomes().values()) == TIMESTEPS * BANDS, what="all images booked"
        )
        assert stack.outcomes() == {"processed": TIMESTEPS * BANDS}
        n_transients = len(stack.get("transients", limit=200)["items"])
        wait_for(lambda: len(ivorns_on_kafka(stack)) >= n_transients > 0, what="alerts on Kafka")
        time.sleep(2)  # a duplicate would still be on its way
        return Counter(ivorns_on_kafka(stack))


def kill_in_turn(stack: Stack, victims: tuple[str, ...]) -> None:
    for victim in victims:
        time.sleep(1.5)
        for name, service in stack.refresh()["services"].items():
            if name.split(":")[0].split("_")[0] == victim and service["pid"]:
                os.kill(service["pid"], signal.SIGKILL)


def test_killing_each_service_changes_nothing(night: Path) -> None:
    undisturbed = observe(night, ())
    assert undisturbed, "the simulated night must hold something to alert on"
    assert max(undisturbed.values()) == 1
    disturbed = observe(night, ("extract", "associate", "alert", "api"))
    assert disturbed == undisturbed

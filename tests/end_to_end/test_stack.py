"""`livetrap up` and `down`: start, stop, refuse a second start, and leave no process behind."""

import json
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from livetrap.stream_replay.archive_files import list_files, read_column
from tests.support.fits_images import make
from tests.support.night import (
    LIVETRAP,
    Stack,
    run,
    run_forked,
    start_stack,
    wait_for,
)

pytestmark = pytest.mark.timeout(1200)


def processes_of(data_dir: Path) -> list[psutil.Process]:
    """Return every process that works in a data folder or was started for it."""
    found = []
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline())
            environment = process.environ()
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        folder = str(data_dir)
        if folder in command or environment.get("LIVETRAP_DATA_DIR") == folder:
            found.append(process)
    return found


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="livetrap-test-", ignore_cleanup_errors=True) as name:
        yield Path(name)
        run("down", "--data-dir", name)


def refused(*arguments: str) -> str:
    """Run a command that ends with code 2 and return its one line."""
    done = subprocess.run(
        [*LIVETRAP, *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 2, done
    last = done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
    return last


def kill_supervisor(folder: Path) -> None:
    """Kill it; every process that it has started ends."""
    (supervisor,) = [
        process for process in processes_of(folder) if "supervisord" in " ".join(process.cmdline())
    ]
    os.kill(supervisor.pid, signal.SIGKILL)
    wait_for(lambda: not processes_of(folder), what="the children's end")


def start_and_press_ctrl_c(folder: Path) -> None:
    """Start in the foreground, again on the data of the killed one; then leave no process."""
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [*LIVETRAP, "up", "--data-dir", str(folder)],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        wait_for(
            lambda: "ready" in (folder / "up.log").read_text().splitlines(), what="the word ready"
        )
    status = json.loads(run_forked("status", "--json", "--data-dir", str(folder)))
    assert all(service["state"] == "RUNNING" for service in status["services"].values())
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=300) in (0, 130)
    assert processes_of(folder) == []
    ports = [int(status["kafka"].rsplit(":")[-1]), httpx.URL(status["api_url"]).port]
    assert all(is_free(port) for port in [*ports, status["vtp_port"]] if port)


def test_data_survive_restarts_and_a_killed_supervisor_and_ctrl_c_leaves_nothing(
    folder: Path,
) -> None:
    start_stack(folder, "--archive-days", "30")
    assert "already running" in refused("up", "--detach", "--data-dir", str(folder))
    image = folder / "image.fits"
    image.write_bytes(make())
    run_forked("ingest", str(image), "--stream", "kept", "--data-dir", str(folder))
    stack = Stack(folder, json.loads(run_forked("status", "--json", "--data-dir", str(folder))))
    wait_for(lambda: stack.outcomes() == {"processed": 1}, what="the image")
    run("down", "--data-dir", str(folder))
    assert json.loads(run_forked("status", "--json", "--data-dir", str(folder)))["ready"] is False
    (archived,) = list_files(folder / "archive", "detections", "kept")
    assert read_column(archived, "offset") == [[0]]

    start_stack(folder)
    again = Stack(folder, json.loads(run_forked("status", "--json", "--data-dir", str(folder))))
    run_forked("ingest", str(image), "--stream", "kept", "--data-dir", str(folder))
    wait_for(lambda: again.outcomes() == {"processed": 1, "duplicate": 1}, what="the duplicate")
    kill_supervisor(folder)
    start_and_press_ctrl_c(folder)


def test_a_wanted_port_in_use_is_named(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        words = refused("up", "--detach", "--data-dir", str(folder), "--api-port", port)
    assert port in words
    assert "--api-port" in words

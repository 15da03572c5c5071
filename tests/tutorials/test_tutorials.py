"""The tutorials run, one after the other, against one service, as their readers run them.

With ``UPDATE_DOCS=1`` in the environment what they print is recorded for the site.
"""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.night import Stack, read_truth, run, separation_arcsec
from tests.support.tutorials import (
    TUTORIALS,
    read_output,
    reader_environment,
    record,
    run_tutorial,
)

pytestmark = pytest.mark.timeout(1200)


@dataclass(frozen=True)
class Reader:
    """Somebody who has done the first tutorial and keeps the service running."""

    folder: Path
    environment: dict[str, str]
    first_night: list[str]
    status: dict[str, Any]

    def run(self, name: str) -> list[str]:
        """Run a tutorial; compare its shape with the recorded one, or record it."""
        printed = run_tutorial(name, self.folder, self.environment)
        self.compare(name, printed)
        return printed

    def compare(self, name: str, printed: list[str]) -> None:
        if "UPDATE_DOCS" in os.environ:
            record(name, printed, self.status)
        shown = [bool(cell.strip()) for cell in read_output(name)]
        assert [bool(cell.strip()) for cell in printed] == shown, (
            f"the site shows an older run of {name}; run make docs-update"
        )


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("reader")
    data_dir = folder / "data"
    environment = reader_environment(data_dir)
    try:
        printed = run_tutorial("first_night.sh", folder, environment)
        status = json.loads(run("status", "--json", "--data-dir", str(data_dir)))
        yield Reader(folder, environment, printed, status)
    finally:
        run("down", "--data-dir", str(data_dir))
        shutil.rmtree(data_dir)


def test_the_first_night_finds_both_transients(reader: Reader) -> None:
    reader.compare("first_night.sh", reader.first_night)
    alerts = Stack(reader.folder, reader.status).alerts()
    truth = read_truth(reader.folder / "night1" / "truth.csv")
    transients = [row for row in truth if row["kind"].endswith("_transient")]
    assert len(transients) == 2
    for row in transients:
        ra, dec = float(row["ra"]), float(row["dec"])
        assert any(
            separation_arcsec(ra, dec, alert["ra"], alert["dec"]) < 30 for alert in alerts
        ), row


def test_a_robot_gets_one_alert_by_three_ways(reader: Reader) -> None:
    last = reader.run("robot.py")[-1]
    assert last.strip() == "initial test -> ignore: test"


def test_the_light_curve_of_a_paper_becomes_a_figure(reader: Reader) -> None:
    reader.run("light_curves.py")
    figure = reader.folder / "light_curve.png"
    assert figure.read_bytes().startswith(b"\x89PNG")
    if "UPDATE_DOCS" in os.environ:
        shutil.copy(figure, TUTORIALS / "output" / figure.name)


def test_the_recipes_of_the_cookbook_work(reader: Reader) -> None:
    *_, deleted, refused = reader.run("cookbook.sh")
    assert deleted.strip() == "204"
    assert json.loads(refused)["status"] == 400


def test_every_tutorial_is_run_here() -> None:
    scripts = {path.name for path in TUTORIALS.iterdir() if path.suffix in {".py", ".sh"}}
    assert scripts == {"first_night.sh", "robot.py", "light_curves.py", "cookbook.sh"}

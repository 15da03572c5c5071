"""Two stacks that start at once in odd places: folders, locales, time zones, a closed home."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from livetrap.stack.paths import cache_dir
from tests.support.fits_images import make
from tests.support.night import LIVETRAP, wait_for

pytestmark = [pytest.mark.timeout(1200), pytest.mark.extended]

_ODD = "accént,\nper%cent 'quote\" ünd (#1)"
_LONG = "l" * 200
_OWN_SETTINGS = ("LIVETRAP_", "NUMBA_CACHE_DIR", "XDG_", "LC_", "LANG", "PYTHONUTF8", "TZ")
_COMMAND_S = 300


@dataclass(frozen=True)
class Place:
    """Where a stack runs, and in which environment."""

    data_dir: Path
    workdir: Path
    environment: dict[str, str]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*LIVETRAP, *arguments, "--data-dir", str(self.data_dir)],
            cwd=self.workdir, env=self.environment, text=True, encoding="utf-8",
            errors="surrogateescape", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str) -> str:
        return finish(self.start(*arguments))


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=_COMMAND_S)
    assert process.returncode == 0, f"{process.args}\n{out}\n{err}"
    return out


def plain_environment(**more: str) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_OWN_SETTINGS)}
    return kept | more


@pytest.fixture
def places() -> Iterator[list[Place]]:
    """Give an odd folder and a long one, the latter with a home that cannot be written."""
    root = Path(tempfile.mkdtemp(prefix="livetrap-test-"))
    root.chmod(0o755)
    home = root / "home"
    home.mkdir(mode=0o555)
    for name in ("parent", "theirs", "work-0", "work-1"):
        (root / name).mkdir(mode=0o755)
    found = [
        Place(root / "parent" / _ODD, root / "work-0",
              plain_environment(LC_ALL="C", TZ="America/New_York")),
        Place(root / "theirs" / _LONG, root / "work-1",
              plain_environment(
                  HOME=str(home), LIVETRAP_CACHE_DIR=str(cache_dir()), TZ="Asia/Kolkata"
              )),
    ]  # fmt: skip
    yield found
    for place in found:
        place.start("down").communicate(timeout=_COMMAND_S)
    shutil.rmtree(root, ignore_errors=True)


def test_two_stacks_start_at_once_in_odd_places(places: list[Place]) -> None:
    starting = [place.start("up", "--detach") for place in places]
    for each in starting:
        finish(each)
    statuses = [json.loads(place.run("status", "--json")) for place in places]
    for name in ("kafka", "postgres_url", "api_url", "vtp_port"):
        assert statuses[0][name] != statuses[1][name], name
    for place, status in zip(places, statuses, strict=True):
        image = place.data_dir.parent / f"{place.data_dir.name[:40]}.fits"
        image.write_bytes(make(**{"DATE-OBS": "2026-01-01T00:00:00", "EXPTIME": 8.0}))
        place.run("ingest", str(image), "--stream", "odd")
        (seen,) = wait_for(lambda url=status["api_url"]: images_of(url), what="the image")
        assert seen["time_start"] == "2026-01-01T00:00:00Z"
        assert log_hours_from_utc(place) == 0
        assert names_in(place.workdir) == []
    odd = places[0].data_dir
    assert names_in(odd.parent) == sorted([_ODD, f"{_ODD[:40]}.fits"])
    assert names_in(odd.parent.parent / "home") == []


def names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def images_of(api_url: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{api_url.rstrip('/')}/api/v1/images", timeout=20)
    return list(answer.raise_for_status().json()["items"])


def log_hours_from_utc(place: Place) -> int:
    """Return how far the clock of a service's log is from UTC [h]."""
    first = (place.data_dir / "logs" / "api.log").read_text(encoding="utf-8").splitlines()[0]
    stamp = json.loads(first)["timestamp"]
    assert stamp.endswith("Z")
    written_s = (place.data_dir / "logs" / "api.log").stat().st_mtime
    return round((written_s - datetime.fromisoformat(stamp).timestamp()) / 3600)

"""A whole simulated night through a whole real stack, driven as a user drives it."""

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

LIVETRAP = [sys.executable, "-m", "livetrap"]


@dataclass(frozen=True)
class Stack:
    """A running stack and the addresses of its parts."""

    data_dir: Path
    status: dict[str, Any]

    @property
    def api(self) -> str:
        return f"{self.status['api_url'].rstrip('/')}/api/v1"

    def refresh(self) -> dict[str, Any]:
        out = run("status", "--json", "--data-dir", str(self.data_dir))
        return dict(json.loads(out))

    def get(self, path: str, **params: Any) -> Any:
        answer = httpx.get(f"{self.api}/{path}", params=params, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def alerts(self) -> list[dict[str, Any]]:
        return list(self.get("alerts", limit=500)["items"])

    def outcomes(self) -> dict[str, int]:
        return dict(self.get("ledger")["outcomes"])


def run(*arguments: str, timeout_s: float = 180, expect: int = 0) -> str:
    """Run one `livetrap` command and return what it printed."""
    done = subprocess.run(
        [*LIVETRAP, *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == expect, (
        f"livetrap {' '.join(arguments)} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done.stdout


@contextmanager
def running_stack(**settings: str) -> Iterator[Stack]:
    """Start the whole service in an empty folder; stop it and remove the folder."""
    data_dir = Path(tempfile.mkdtemp(prefix="livetrap-test-"))
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        run("up", "--detach", "--data-dir", str(data_dir))
        status = json.loads(run("status", "--json", "--data-dir", str(data_dir)))
        yield Stack(data_dir, status)
    finally:
        run("down", "--data-dir", str(data_dir))
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(data_dir, ignore_errors=True)


def wait_for(
    condition: Callable[[], Any], *, what: str, timeout_s: float = 120, every_s: float = 0.3
) -> Any:
    """Return the first true answer of `condition`."""
    deadline_s = time.monotonic() + timeout_s
    answer = None
    while time.monotonic() < deadline_s:
        try:
            answer = condition()
        except httpx.HTTPError as error:  # the api may be the one that was just killed
            answer = None
            last = repr(error)
        else:
            last = repr(answer)
        if answer:
            return answer
        time.sleep(every_s)
    raise AssertionError(f"waited {timeout_s} s for {what}; last: {last}")


def read_truth(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def separation_arcsec(ra1: float, dec1: float, ra2: float, dec2: float) -> float:
    """Return the angle between two positions (Vincenty-free haversine)."""
    ra1, dec1, ra2, dec2 = np.radians([ra1, dec1, ra2, dec2])
    half = np.sin((dec2 - dec1) / 2) ** 2 + np.cos(dec1) * np.cos(dec2) * (
        np.sin((ra2 - ra1) / 2) ** 2
    )
    return float(np.degrees(2 * np.arcsin(np.sqrt(half))) * 3600)

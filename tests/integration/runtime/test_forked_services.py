"""A service that a test starts is forked from a process that has its rooms, and no other's."""

import os
import re
from pathlib import Path

import pytest

from tests.support.forked import ForkedProcess, can_fork

pytestmark = pytest.mark.skipif(not can_fork(), reason="coverage counts no forks")

SERVICES = ("alert", "archive", "associate", "distribute", "extract", "ingest")
APPS = {"api": "api.app", **{name: f"services.{name}.app" for name in SERVICES}}
SHOW = """
import sys
from prometheus_client import generate_latest
from tests.support.forked import keep_metrics_of

for service in sys.argv[1:]:
    keep_metrics_of(service)
print(*sys.modules)
print(generate_latest().decode(), file=sys.stderr)
sys.exit(3)
"""


def show(
    place: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *kept: str
) -> tuple[set[str], set[str]]:
    """Return the modules of a forked process, and whose metrics it has."""
    (folder / "show_modules.py").write_text(SHOW)
    monkeypatch.syspath_prepend(folder)
    modules, metrics = folder / "modules", folder / "metrics"
    process = ForkedProcess(
        "show_modules", kept, environment=os.environ, log=modules, errors=metrics, service=place
    )
    assert process.wait(120) == 3, metrics.read_text()
    names = set(re.findall(r"^livetrap_([a-z]+)_", metrics.read_text(), re.MULTILINE))
    return set(modules.read_text().split()), names & APPS.keys()


@pytest.mark.parametrize("service", [*APPS, "any"])
def test_a_process_has_the_rooms_and_metrics_of_its_service_alone(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules, metrics = show(service, tmp_path, monkeypatch)
    own = APPS.keys() & {service}
    assert modules & set(APPS.values()) == {APPS[name] for name in own}
    assert metrics == own


@pytest.mark.parametrize("service", APPS)
def test_a_service_of_a_stack_has_its_metrics_alone(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules, metrics = show("stack", tmp_path, monkeypatch, service)
    assert set(APPS.values()) <= modules
    assert metrics == {service}

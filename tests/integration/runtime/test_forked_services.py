"""A service that a test starts is forked from a process that has its rooms, and no other's."""

import os
from pathlib import Path

import pytest

from tests.support.forked import ForkedProcess, can_fork

pytestmark = pytest.mark.skipif(not can_fork(), reason="coverage counts no forks")

SERVICES = ("alert", "archive", "associate", "distribute", "extract", "ingest")
APPS = {"api": "api.app", **{name: f"services.{name}.app" for name in SERVICES}}
SHOW = """
import sys
print(*sys.modules)
sys.exit(3)
"""


@pytest.mark.parametrize("service", [*APPS, "any"])
def test_a_process_has_the_rooms_and_metrics_of_its_service_alone(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "show_modules.py").write_text(SHOW)
    monkeypatch.syspath_prepend(tmp_path)
    log = tmp_path / "log"
    process = ForkedProcess("show_modules", (), environment=os.environ, log=log, service=service)
    assert process.wait(120) == 3
    modules = set(log.read_text().split())
    own = {name for name in APPS if name == service}
    assert modules & set(APPS.values()) == {APPS[name] for name in own}
    others = {APPS[name].replace(".app", ".metrics") for name in APPS.keys() - own}
    assert not modules & others

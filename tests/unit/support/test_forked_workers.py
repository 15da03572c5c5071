"""A parallel run whose workers are forked reports what one with interpreters does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.forked import can_fork

pytestmark = pytest.mark.skipif(not can_fork(), reason="coverage counts no forks")

CONFTEST = """
from tests.support.forked_workers import ForkedWorkers, can_fork_workers

def pytest_xdist_setupnodes(config, specs):
    assert can_fork_workers(config, specs)
    config.add_cleanup(ForkedWorkers(config.invocation_params.args, specs).close)
"""
MODULES = {
    "test_imported": """
import os
IMPORTED_BY = os.getpid()

def test_the_module_was_imported_by_the_parent():
    assert os.getpid() != IMPORTED_BY

def test_values_are_shown():
    assert [1, 2] == [1, 3]
""",
    "test_broken": "assert False, 'broken at import'",
    "test_skipped": "import pytest; pytest.skip('not here', allow_module_level=True)",
    "test_dying": """
import os
def test_its_worker_dies():
    os.kill(os.getpid(), 9)
""",
    "test_more": "def test_in_a_new_worker(): pass",
}


def test_failures_skips_and_dead_workers_are_reported(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    repository = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "2", "--dist", "load", "-rA", "-p", "no:asyncio",
         "--continue-on-collection-errors"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": repository}, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    said = done.stdout
    assert done.returncode == 1, said + done.stderr
    for line in (
        "PASSED test_imported.py::test_the_module_was_imported_by_the_parent",
        "FAILED test_imported.py::test_values_are_shown - assert [1, 2] == [1, 3]",
        "ERROR test_broken.py - AssertionError: broken at import",
        "FAILED test_dying.py::test_its_worker_dies - worker",
        "PASSED test_more.py::test_in_a_new_worker",
        "2 failed, 2 passed, 1 skipped, ",
    ):
        assert line in said, said
    assert done.stderr == ""

"""A service does not search its modules for garbage again and again."""

import subprocess
import sys

_SERVICE = """
import gc
from runtime.process import run_service
from runtime.settings import ExtractProcessSettings

def body(settings, stop):
    print("frozen", gc.get_freeze_count(), flush=True)

run_service("extract", ExtractProcessSettings, body)
"""


def test_what_is_there_at_the_start_is_not_searched_for_garbage() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SERVICE], check=True, capture_output=True, text=True
    )
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("frozen"))
    assert int(line.split()[1]) > 10_000

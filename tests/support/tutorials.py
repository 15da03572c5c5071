"""Run the tutorials of the documentation as a reader does, and keep what they print."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from literate import SEPARATOR, output_path, separated
from livetrap.stack.ports import choose_port
from tests.support.night import LONG_WAIT
from tests.support.tutorial_output import without_run

__all__ = ["TUTORIALS", "read_output", "reader_environment", "record", "run_tutorial"]

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
_TIMEOUT_S = 900
_PROGRAMS = {".py": sys.executable, ".sh": "bash"}


def reader_environment(data_dir: Path) -> dict[str, str]:
    """Return an environment as `source .venv/bin/activate` makes it, with data of its own.

    The ports are not the usual ones: another stack may start on this machine at the same time.
    Alerts wait for all that follows from the images, as they do where nothing else runs.
    """
    taken: set[int] = set()
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return (
        os.environ
        | LONG_WAIT
        | {
            "PATH": programs,
            "LIVETRAP_DATA_DIR": str(data_dir),
            "LIVETRAP_API__PORT": str(choose_port(None, taken=taken)),
            "LIVETRAP_VTP__PORT": str(choose_port(None, taken=taken)),
        }
    )


def run_tutorial(name: str, folder: Path, environment: dict[str, str]) -> list[str]:
    """Run a tutorial in a folder and return what each cell of code printed.

    Raises
    ------
    AssertionError
        If it fails; the text has what it printed.
    """
    source = TUTORIALS / name
    script = folder / name
    script.write_text(separated(source.read_text(encoding="utf-8"), source.suffix))
    done = subprocess.run(
        [_PROGRAMS[source.suffix], script.name],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{name} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout.split(SEPARATOR)[:-1]


def read_output(name: str) -> list[str]:
    """Return what each cell printed when the tutorial was last recorded."""
    recorded: list[str] = json.loads(output_path(TUTORIALS / name).read_text(encoding="utf-8"))
    return recorded


def record(name: str, printed: list[str], status: dict[str, Any]) -> None:
    """Keep what a tutorial printed, with the addresses that an installation has by default."""
    text = SEPARATOR.join(cell.rstrip() for cell in printed)
    defaults = {
        str(status["data_dir"]): "/data/livetrap",
        str(status["api_url"]): "http://127.0.0.1:8080",
        str(status["kafka"]): "127.0.0.1:9092",
    }
    for found, default in defaults.items():
        text = text.replace(found, default)
    text = without_run(re.sub(rf"\b{status['vtp_port']}\b", "8099", text), datetime.now(UTC))
    path = output_path(TUTORIALS / name)
    path.parent.mkdir(exist_ok=True)
    cells = json.dumps(text.split(SEPARATOR), indent=1, ensure_ascii=False)
    path.write_text(cells + "\n", encoding="utf-8")

"""What harnesses have in common that observe a stack of their own for minutes: begin and end."""

import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["end_as_with_ctrl_c", "save_report"]


def end_as_with_ctrl_c() -> None:
    """Stop the stack, too, when the harness is ended from outside."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def save_report(report: Mapping[str, Any], path: Path, *, text: str) -> None:
    """Write the report as JSON; print its text and where the JSON is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1), encoding="utf-8")
    sys.stdout.write(f"{text}\n{path}\n")

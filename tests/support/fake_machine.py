"""A machine for the scripts in install/ whose interpreters do what a test wants."""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["ROOT", "Machine", "build_machine"]

ROOT = Path(__file__).parents[2]
_TOOLS = (
    "cat", "cp", "dirname", "env", "expr", "grep", "head", "mkdir", "mktemp", "rm", "sed", "sh",
    "tail", "touch", "uname",
)  # fmt: skip

# What the scripts ask of an interpreter, answered from the environment.
_PYTHON = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
    *python_implementation*) [ -z "$BROKEN" ] && cat "$0.kind" ;;
    *"import ensurepip, venv"*) exit "$NO_ENSUREPIP" ;;
    *"import pip"*) exit "$OLD_PIP" ;;
    "-m venv --clear "*)
        mkdir -p "$4/bin"
        touch "$4/pyvenv.cfg"
        cp "$0" "$4/bin/python"
        cp "$0.kind" "$4/bin/python.kind"
        ;;
    "-m ensurepip --upgrade") exit "$ENSUREPIP_FAILS" ;;
    "-m pip cache dir") echo "$CACHE" ;;
    *" --upgrade pip")
        [ -z "$PIP_OUTPUT$MIRROR_HAS_NO_PIP" ] || { echo "$PIP_OUTPUT" >&2; exit 1; }
        ;;
    *" install "*)
        echo "PIP_NO_CACHE_DIR=$PIP_NO_CACHE_DIR" >>"$CALLS"
        [ -z "$PIP_OUTPUT" ] || { echo "$PIP_OUTPUT" >&2; exit 1; }
        ;;
    "-m pytest "*)
        echo "what pytest printed"
        echo "7 passed in 0.10s"
        exit "$PYTEST_FAILS"
        ;;
    *) exit 3 ;;
esac
"""


@dataclass
class Machine:
    """A PATH with the tools of the scripts and the interpreters of a test, and nothing else."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def venv(self) -> Path:
        return self.folder / "venv"

    def add_python(self, name: str, kind: str) -> Path:
        return self.write_python(self.folder / "bin" / name, kind)

    def write_python(self, path: Path, kind: str) -> Path:
        path.write_text(_PYTHON)
        path.chmod(0o755)
        path.with_name(f"{path.name}.kind").write_text(f"{kind}\n")
        return path

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(ROOT / "install" / script), *arguments],
            env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def install(self, python: str = "python3") -> subprocess.CompletedProcess[str]:
        return self.run("make_venv.sh", str(self.venv), python, "dev")

    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()

    def logs(self) -> list[Path]:
        return list((self.folder / "tmp").iterdir())


def build_machine(folder: Path) -> Machine:
    """Return a machine with one interpreter, a python3 of CPython 3.12."""
    for name in ("bin", "tmp", "cache", "home"):
        (folder / name).mkdir()
    for tool in _TOOLS:
        (folder / "bin" / tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")
    environment = {
        "PATH": str(folder / "bin"), "TMPDIR": str(folder / "tmp"),
        "HOME": str(folder / "home"), "CALLS": str(folder / "calls"),
        "CACHE": str(folder / "cache" / "pip"), "LANG": "C", "BROKEN": "", "PIP_OUTPUT": "",
        "PIP_NO_CACHE_DIR": "", "NO_ENSUREPIP": "0", "OLD_PIP": "0", "ENSUREPIP_FAILS": "0",
        "PYTEST_FAILS": "0",
        "MIRROR_HAS_NO_PIP": "",
    }  # fmt: skip
    made = Machine(folder, environment)
    made.add_python("python3", "CPython 3.12")
    return made

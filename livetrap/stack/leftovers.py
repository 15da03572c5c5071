"""Databases outside of their data folders: whose they are, and those that nobody owns any more."""

import json
import os
import re
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from livetrap.stack.paths import SHARED_ROOT

__all__ = ["Leftover", "find_leftovers", "remove_leftovers", "write_owner"]

_NAME = re.compile(r"[0-9a-f]{16}-[0-9a-f]{8}")
_OWNER = "data-folder"


@dataclass(frozen=True, slots=True)
class Leftover:
    """A database that no data folder uses.

    Parameters
    ----------
    folder : Path
        Where it is.
    data_dir : Path or None
        The data folder to which it belonged; None: a version made it that did not write that
        down, and the data folder may exist.
    """

    folder: Path
    data_dir: Path | None

    def unused_h(self) -> float:
        """Return for how long no server has written a checkpoint to it [h]."""
        control = self.folder / "postgres" / "global" / "pg_control"
        written = control if control.exists() else self.folder
        return (time.time() - written.stat().st_mtime) / 3600

    def n_bytes(self) -> int:
        """Return what it occupies on disk [byte]."""
        return sum(
            path.lstat().st_size for path in self.folder.rglob("*") if not path.is_symlink()
        )


def write_owner(folder: Path, data_dir: Path) -> None:
    """Write down whose database is in a folder.

    Parameters
    ----------
    folder : Path
        A folder in `SHARED_ROOT`.
    data_dir : Path
        The data folder, whose record names the database already.
    """
    path, owner = folder / _OWNER, os.fsencode(data_dir.resolve())
    with suppress(FileNotFoundError):
        if path.read_bytes() == owner:
            return
    partial = folder / f"{_OWNER}.{os.getpid()}"
    partial.write_bytes(owner)
    partial.replace(path)


def find_leftovers(root: Path = SHARED_ROOT) -> list[Leftover]:
    """Return the databases whose data folder is gone or unknown, and that no server has open.

    Parameters
    ----------
    root : Path
        Where the databases of closed data folders are.
    """
    if not root.is_dir():
        return []
    found = []
    for folder in sorted(path for path in root.iterdir() if _NAME.fullmatch(path.name)):
        data_dir = _owner_of(folder)
        is_owned = data_dir is not None and _may_use(data_dir, folder)
        if not is_owned and not _is_open(folder):
            found.append(Leftover(folder, data_dir))
    return found


def remove_leftovers(within: Path, root: Path = SHARED_ROOT) -> int:
    """Delete the databases whose data folders were in another folder and are gone.

    Parameters
    ----------
    within : Path
        A folder whose data folders do not come back, such as the one for temporary files.
    root : Path
        Where the databases of closed data folders are.

    Returns
    -------
    int
        How many.
    """
    gone = [
        each
        for each in find_leftovers(root)
        if each.data_dir is not None and each.data_dir.is_relative_to(within.resolve())
    ]
    for each in gone:
        # Another process may delete it at the same time.
        shutil.rmtree(each.folder, ignore_errors=True)
    return len(gone)


def _owner_of(folder: Path) -> Path | None:
    """Return the data folder of a database; None if that was not written down."""
    try:
        return Path(os.fsdecode((folder / _OWNER).read_bytes()))
    except FileNotFoundError:
        return None


def _may_use(data_dir: Path, folder: Path) -> bool:
    """Return whether a data folder uses a database, or cannot be asked."""
    try:
        record = json.loads((data_dir / "postgres.json").read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True
    return bool(record.get("cluster") == str(folder / "postgres"))


def _is_open(folder: Path) -> bool:
    """Return whether a server runs on a database."""
    try:
        pid = int((folder / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
        return "postgres" in psutil.Process(pid).name()
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return False

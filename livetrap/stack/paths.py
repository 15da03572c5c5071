"""Where the stack keeps its files, and who may walk there."""

import hashlib
import os
import shutil
import stat
from pathlib import Path

import platformdirs

from livetrap.stack.errors import StackError

__all__ = [
    "SHARED_ROOT",
    "cache_dir",
    "default_data_dir",
    "is_traversable_by_all",
    "make_data_dir",
    "make_open_dir",
    "path_digest",
]

# As root: every parent is open already, so an unprivileged PostgreSQL can live below it.
SHARED_ROOT = Path("/var/lib/livetrap")
_SHARED_CACHE = Path("/var/cache/livetrap")
_MIN_FREE_BYTES = 512 << 20


def cache_dir() -> Path:
    """Return where downloads are kept: ``LIVETRAP_CACHE_DIR`` or the user's cache folder."""
    asked = os.environ.get("LIVETRAP_CACHE_DIR")
    if asked:
        return Path(asked).expanduser().absolute()
    if os.geteuid() == 0:
        return _SHARED_CACHE
    return Path(platformdirs.user_cache_dir("livetrap", appauthor=False))


def default_data_dir() -> Path:
    """Return the data folder: ``LIVETRAP_DATA_DIR`` or the user's data folder."""
    asked = os.environ.get("LIVETRAP_DATA_DIR")
    if asked:
        return Path(asked).expanduser().absolute()
    if os.geteuid() == 0:
        return SHARED_ROOT / "default"
    return Path(platformdirs.user_data_dir("livetrap", appauthor=False))


def make_open_dir(path: Path) -> None:
    """Make a folder everybody may walk through; folders that exist keep their mode.

    Parameters
    ----------
    path : Path
        Missing parents are made the same way.
    """
    if path.is_dir():
        return
    make_open_dir(path.parent)
    path.mkdir(exist_ok=True)
    path.chmod(0o755)


def make_data_dir(path: Path) -> None:
    """Make the data folder and prove that it can hold data.

    Parameters
    ----------
    path : Path
        The data folder.

    Raises
    ------
    StackError
        If it cannot be made or written, or its disk is nearly full.
    """
    try:
        make_open_dir(path)
        probe = path / f".write-probe-{os.getpid()}"
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
    except OSError as error:
        raise StackError(
            f"cannot write to the data folder {path}: {error.strerror}; "
            "choose another with --data-dir or mend its owner"
        ) from error
    free_bytes = shutil.disk_usage(path).free
    if free_bytes < _MIN_FREE_BYTES:
        raise StackError(
            f"the disk of {path} has only {free_bytes >> 20} MiB left; "
            f"free at least {_MIN_FREE_BYTES >> 20} MiB or choose another with --data-dir"
        )


def is_traversable_by_all(path: Path) -> bool:
    """Tell whether every account may walk from the root down into this folder.

    Parameters
    ----------
    path : Path
        An existing folder.

    Returns
    -------
    bool
        True if the folder and all its parents give search permission to others.
    """
    real = path.resolve()
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (real, *real.parents))


def path_digest(path: Path) -> str:
    """Return a short name that stands for a path."""
    return hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:16]

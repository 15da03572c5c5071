"""A small disk for a data folder: a tmpfs, whose size can be cut to what is used."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["SmallDisk", "small_disk"]


_TRIES = 1000


class SmallDisk:
    """A mounted tmpfs."""

    def __init__(self, path: Path, *, size_mb: int) -> None:
        self.path = path
        self._size_mb = size_mb

    def fill(self) -> None:
        """Leave no space: every write fails with ENOSPC from now on."""
        for _ in range(_TRIES):
            used = shutil.disk_usage(self.path).used
            # The kernel refuses a size below what was written meanwhile.
            if _is_mounted("-o", f"remount,size={-(-used // 4096) * 4}k", str(self.path)):
                return
        raise RuntimeError(f"{self.path} grows faster than it can be filled")

    def empty(self) -> None:
        """Give the space back."""
        _mount("-o", f"remount,size={self._size_mb}m", str(self.path))


@contextmanager
def small_disk(path: Path, *, size_mb: int) -> Iterator[SmallDisk | None]:
    """Mount a small disk on a folder while the block runs; give None where it may not be."""
    options = f"size={size_mb}m,mode=0755"
    if os.geteuid() != 0 or not _is_mounted("-t", "tmpfs", "-o", options, "tmpfs", str(path)):
        yield None
        return
    try:
        yield SmallDisk(path, size_mb=size_mb)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=False)


def _is_mounted(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], check=False, capture_output=True).returncode == 0


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)

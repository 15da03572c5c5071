"""The folders of browsers that tests have started, and those that killed runs have left."""

import os
import shutil
import tempfile
from pathlib import Path

import psutil

__all__ = ["make_profile", "remove_profiles"]

_PREFIX = "livetrap-chromium-"


def make_profile() -> Path:
    """Make the folder of a browser; its name says which process deletes it."""
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))


def remove_profiles(within: Path) -> int:
    """Delete the profiles whose owners were killed; return how many."""
    killed = [each for each in within.glob(f"{_PREFIX}*-*") if not psutil.pid_exists(_owner(each))]
    for profile in killed:
        shutil.rmtree(profile, ignore_errors=True)
    return len(killed)


def _owner(profile: Path) -> int:
    return int(profile.name.removeprefix(_PREFIX).partition("-")[0])

"""The folders of browsers that tests have started, and those that killed runs have left."""

import shutil
from pathlib import Path

import psutil

__all__ = ["PREFIX", "remove_profiles"]

PREFIX = "livetrap-chromium-"


def remove_profiles(within: Path) -> int:
    """Delete the profiles whose browsers were killed; return how many."""
    killed = [each for each in within.glob(f"{PREFIX}*") if _was_killed(each)]
    for profile in killed:
        shutil.rmtree(profile, ignore_errors=True)
    return len(killed)


def _was_killed(profile: Path) -> bool:
    """Return whether nobody will delete a profile; its lock is a link to ``HOST-PID``."""
    try:
        pid = int(str((profile / "SingletonLock").readlink()).rpartition("-")[2])
    except FileNotFoundError:  # the browser starts, or its profile was deleted just now
        return False
    return not psutil.pid_exists(pid)

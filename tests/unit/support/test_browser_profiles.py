"""Profiles of browsers that were killed are deleted; those of others are not."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.browser_profiles import remove_profiles


def profile(within: Path, name: str, pid: int | None) -> Path:
    folder = within / f"livetrap-chromium-{name}"
    folder.mkdir()
    if pid is not None:
        (folder / "SingletonLock").symlink_to(f"a-host-{pid}")
    return folder


def test_the_profile_of_a_browser_that_was_killed_is_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    killed = profile(tmp_path, "killed", ended.pid)
    kept = [profile(tmp_path, "runs", os.getpid()), profile(tmp_path, "starts", None)]
    assert remove_profiles(tmp_path) == 1
    assert not killed.exists()
    assert all(each.exists() for each in kept)

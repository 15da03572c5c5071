"""Profiles of browsers whose run was killed are deleted; those of others are not."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.browser_profiles import make_profile, remove_profiles

_MAKE = "from tests.support.browser_profiles import make_profile; print(make_profile())"


def test_the_profile_of_a_run_that_was_killed_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = subprocess.run(
        [sys.executable, "-c", _MAKE], env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    killed, kept = Path(made.stdout.strip()), make_profile()
    assert killed.parent == kept.parent == tmp_path
    assert remove_profiles(tmp_path) == 1
    assert not killed.exists()
    assert kept.exists()

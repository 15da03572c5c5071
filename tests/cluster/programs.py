"""Programs that the checks need and a machine may lack."""

import shutil

import pytest

__all__ = ["need"]


def need(program: str) -> str:
    """Return where a program is; skip where it is not."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not here")
    return found

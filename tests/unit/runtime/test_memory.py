"""Freed blocks of the size of a large image are used again."""

import platform
import subprocess
import sys

import pytest

# Larger than any block that glibc keeps by itself, and of so many pages.
BLOCK_BYTES = 70_000_000
N_PAGES = BLOCK_BYTES // 4096

_ALLOCATE = f"""
import resource
import threading
from runtime.memory import reuse_large_blocks

reuse_large_blocks()

def faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def allocate() -> None:
    bytearray(b"x") * {BLOCK_BYTES}

def allocate_in_a_thread() -> None:
    thread = threading.Thread(target=allocate)
    thread.start()
    thread.join()

for job in (allocate, allocate_in_a_thread):
    job()
    before = faults()
    job()
    print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a property of glibc")
def test_a_freed_block_of_any_size_is_used_again() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ALLOCATE], check=True, capture_output=True, text=True
    )
    n_faults = [int(line) for line in done.stdout.split()]
    assert len(n_faults) == 2
    assert max(n_faults) < N_PAGES / 10

"""Numba kernels: arrays in, arrays out; compiled once per machine into a private cache."""

import hashlib
import os
import platform
import tempfile
from pathlib import Path

import llvmlite.binding
import numba
from numba import config
from platformdirs import user_cache_path

__all__: list[str] = []


def _cache_dir() -> Path:
    """Return a writable folder for machine code: per numba version, processor and source.

    Not shared between machines: code for one processor may crash on another. numba compiles a
    kernel again when its own file changes, not when that of a kernel it calls does.
    """
    cpu = llvmlite.binding.get_host_cpu_name()
    name = f"{numba.__version__}-{platform.node()}-{cpu}-{_digest_of_sources()}"
    base = os.environ.get("LIVETRAP_CACHE_DIR")
    folder = (Path(base) if base else user_cache_path("livetrap")) / "numba" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="livetrap-numba-"))
    return (
        folder if os.access(folder, os.W_OK) else Path(tempfile.mkdtemp(prefix="livetrap-numba-"))
    )


def _digest_of_sources() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(each.read_bytes() for each in sources)).hexdigest()[:16]


if not os.environ.get("NUMBA_CACHE_DIR"):
    # numba reads the variable at each compilation. A folder that the user chose stays.
    os.environ["NUMBA_CACHE_DIR"] = str(_cache_dir())
    config.reload_config()  # type: ignore[no-untyped-call]

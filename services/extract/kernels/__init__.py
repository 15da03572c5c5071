"""Numba kernels: arrays in, arrays out; compiled once per machine into a private cache."""

import atexit
import hashlib
import logging
import os
import platform
import shutil
import tempfile
from pathlib import Path

import llvmlite.binding
import numba
from numba import config
from platformdirs import user_cache_path

__all__: list[str] = []

# What every processor of the level x86-64-v3 has, by LLVM's names (psABI of x86-64).
_V3_FEATURES = ("avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")


def _cache_dir() -> Path:
    """Return a writable folder for machine code: per numba version, processor and source.

    Not shared between machines: code for one processor may crash on another. numba compiles a
    kernel again when its own file changes, not when that of a kernel it calls does.
    """
    image = os.environ.get("LIVETRAP_KERNEL_CACHE")
    if image:
        return _copy_of(Path(image) / f"{numba.__version__}-{_cpu()}-{_digest_of_sources()}")
    name = f"{numba.__version__}-{platform.node()}-{_cpu()}-{_digest_of_sources()}"
    base = os.environ.get("LIVETRAP_CACHE_DIR")
    folder = (Path(base) if base else user_cache_path("livetrap")) / "numba" / name
    return folder if _is_writable(folder) else _new_folder()


def _copy_of(folder: Path) -> Path:
    """Return a folder of machine code that was compiled into an image, or a writable copy.

    numba uses no folder that it cannot write. Who may write it compiles into it: that is how an
    image is made.
    """
    if _is_writable(folder):
        return folder
    private = _new_folder()
    if folder.is_dir():
        shutil.copytree(folder, private, dirs_exist_ok=True)
    else:
        logging.getLogger(__name__).warning(
            "no machine code for this version and processor in %s: kernels are compiled", folder
        )
    return private


def _cpu() -> str:
    return os.environ.get("NUMBA_CPU_NAME") or str(llvmlite.binding.get_host_cpu_name())


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _new_folder() -> Path:
    """Return a folder that goes with this process."""
    folder = Path(tempfile.mkdtemp(prefix="livetrap-numba-"))
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: Path, owner_pid: int) -> None:
    # A forked process has inherited the call, while its parent still uses the folder.
    if os.getpid() == owner_pid:
        shutil.rmtree(folder, ignore_errors=True)


def _digest_of_sources() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(each.read_bytes() for each in sources)).hexdigest()[:16]


def _forget_other_processor() -> None:
    """Compile for the processor that is here if it is older than the one of the image."""
    if os.environ.get("NUMBA_CPU_NAME") != "x86-64-v3":
        return
    features = llvmlite.binding.get_host_cpu_features()
    if missing := [name for name in _V3_FEATURES if not features.get(name)]:
        logging.getLogger(__name__).warning(
            "this processor is not x86-64-v3 (%s): kernels are compiled for it", " ".join(missing)
        )
        for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"):
            os.environ.pop(name, None)


_forget_other_processor()
if not os.environ.get("NUMBA_CACHE_DIR"):
    # numba reads the variable at each compilation. A folder that the user chose stays.
    os.environ["NUMBA_CACHE_DIR"] = str(_cache_dir())
config.reload_config()  # type: ignore[no-untyped-call]

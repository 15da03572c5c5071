"""How the process asks the system for memory: rarely, where messages are large."""

import ctypes
import platform

__all__ = ["reuse_large_blocks"]

# Parameters of mallopt, by their names in glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
# So much may stay with the process when it is free: a message, its copy and its pixels.
_MOST_KEPT_BYTES = 256 << 20


def reuse_large_blocks() -> None:
    """Let freed blocks of any size be used again; called before other threads start.

    Blocks beyond 32 MiB are otherwise mapped anew each time: the system clears all their pages,
    and a virtual machine may have to fetch them first. Only glibc has such a limit.

    References
    ----------
    mallopt(3).
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    # Threads share one heap: a block is larger than that of a thread may be.
    libc.mallopt(_M_ARENA_MAX, 1)
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, _MOST_KEPT_BYTES)

"""A process for each finder: none has another's libraries, threads or memory beside it."""

import contextlib
import gc
import io
import logging
import multiprocessing
import os
import pickle
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import numpy as np

from benchmarks.extraction.peers import PEERS, Finder, Measured
from benchmarks.extraction.sky import GeneratedField, to_fits

__all__ = ["DOORS", "Timing", "Worker", "use_one_core"]

# What a finder gets: an array of pixels, or the bytes of a FITS file.
DOORS = ("pixels", "file")
# Larger than the caches of a processor.
_CACHE_BYTES = 256 << 20
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Timing:
    """CPU and wall clock time of one call [s]."""

    cpu_s: float
    wall_s: float


class Worker:
    """Runs one finder in a process of its own, on the core of the parent.

    Parameters
    ----------
    name : str
        Key of `PEERS`.
    """

    def __init__(self, name: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(name, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def load(self, field: Path) -> None:
        """Prepare the finder for a pickled `GeneratedField`, and run it once at each door."""
        self._ask("load", str(field))

    def time(self, door: str) -> Timing:
        """Return the times of one call with input that is in no cache."""
        return cast("Timing", self._ask("time", door))

    def find(self) -> Measured:
        """Return what the finder finds in the field."""
        return cast("Measured", self._ask("find", "file"))

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(timeout=60)

    def _ask(self, *question: str) -> object:
        self._pipe.send(question)
        answer = self._pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


def use_one_core() -> None:
    """Pin this process, and those that it starts, to one core with one thread each."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.environ |= dict.fromkeys(_ONE_THREAD, "1")


def _serve(name: str, pipe: Connection) -> None:
    """Answer the parent's questions until it closes the pipe."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    bench = _Bench(name)
    with contextlib.suppress(EOFError):
        while True:
            action, argument = pipe.recv()
            try:
                pipe.send(getattr(bench, action)(argument))
            except Exception as error:  # noqa: BLE001  (the parent raises it)
                pipe.send(error)


class _Bench:
    """One finder and the field that it was given last."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._evict = np.zeros(_CACHE_BYTES // 8)
        self._field: GeneratedField
        self._finder: Finder
        self._data = b""

    def load(self, path: str) -> None:
        self._field = pickle.loads(Path(path).read_bytes())  # noqa: S301  (the parent wrote it)
        self._finder = PEERS[self._name](self._field)
        self._data = to_fits(self._field)
        for door in DOORS:
            self.time(door)  # compiles, and fills the caches of the code

    def time(self, door: str) -> Timing:
        data = self._field.pixels.copy() if door == "pixels" else bytes(bytearray(self._data))
        call = getattr(self._finder, f"find_in_{door}")
        gc.collect()
        self._evict += 1.0
        with _quiet():
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            call(data)
            cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
        return Timing(cpu_s, wall_s)

    def find(self, _door: str) -> Measured:
        with _quiet():
            return self._finder.read(self._finder.find_in_file(self._data))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide what peers print; ignore the floating point errors that they make."""
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        yield

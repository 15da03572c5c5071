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
from typing import Any, cast

import numpy as np

from benchmarks.extraction.peers import PEERS, Finder, Measured
from benchmarks.extraction.sky import GeneratedField, to_fits

__all__ = ["DOORS", "Timing", "Worker", "use_one_core"]

# What a finder gets: an array of pixels, the bytes of a FITS file, or arrays one after the other.
DOORS = ("pixels", "file", "stream")
# Images of a stream; of a slow finder as many as two seconds have, and two at least.
_MOST_IN_STREAM, _STREAM_S = 10, 2.0
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
        """Return the times of one call with input that is in no cache.

        At the doors ``pixels`` and ``file`` the caches are emptied before the call: the code of
        the finder and its data come from memory as well. At ``stream`` they are emptied once, and
        each of up to ten images is a copy of its own: the input is cold, the code is warm, as
        where images come one after the other.
        """
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
        self._n_in_stream = 2

    def load(self, path: str) -> None:
        self._field = pickle.loads(Path(path).read_bytes())  # noqa: S301  (the parent wrote it)
        self._finder = PEERS[self._name](self._field)
        self._data = to_fits(self._field)
        for door in ("pixels", "file"):
            self.time(door)  # compiles, and fills the caches of the code
        taken_s = self.time("pixels").wall_s
        self._n_in_stream = int(np.clip(_STREAM_S / taken_s, 2, _MOST_IN_STREAM))

    def time(self, door: str) -> Timing:
        images = [self._copy(door) for _ in range(self._n_in_stream if door == "stream" else 1)]
        call = self._finder.find_in_file if door == "file" else self._finder.find_in_pixels
        gc.collect()
        self._evict += 1.0
        with _quiet():
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            for image in images:
                call(image)
            cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
        return Timing(cpu_s / len(images), wall_s / len(images))

    def _copy(self, door: str) -> Any:
        return bytes(bytearray(self._data)) if door == "file" else self._field.pixels.copy()

    def find(self, _door: str) -> Measured:
        with _quiet():
            return self._finder.read(self._finder.find_in_file(self._data))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide what peers print; ignore the floating point errors that they make."""
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        yield

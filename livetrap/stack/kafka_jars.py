"""Download Apache Kafka's jars once and check them against our lock file."""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from livetrap.stack.errors import StackError
from livetrap.stack.paths import cache_dir

__all__ = ["Jar", "fetch_jars", "load_lock", "missing_jars"]

_THREADS = 8
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Jar:
    """One jar as the lock file pins it.

    Parameters
    ----------
    group, artifact, version : str
        Maven coordinate.
    sha256 : str
        Of its bytes, hex.
    size_bytes : int
        Its length [byte].
    """

    group: str
    artifact: str
    version: str
    sha256: str
    size_bytes: int

    @property
    def filename(self) -> str:
        """Name of the file, unique in the lock."""
        return f"{self.artifact}-{self.version}.jar"


def load_lock() -> tuple[str, tuple[Jar, ...]]:
    """Return Kafka's version and every jar it needs."""
    text = (files("livetrap.stack") / "kafka_jars.lock.json").read_text(encoding="utf-8")
    lock = json.loads(text)
    return str(lock["kafka"]), tuple(_to_jar(**entry) for entry in lock["jars"])


def fetch_jars(cache: Path | None = None, *, show_progress: bool = True) -> Path:
    """Return the folder of Kafka's jars, downloading what is missing or damaged.

    Parameters
    ----------
    cache : Path, optional
        Where downloads are kept; default `cache_dir`.
    show_progress : bool
        Draw a progress bar while downloading.

    Returns
    -------
    Path
        A folder with every jar of the lock file, each with the right checksum.

    Raises
    ------
    StackError
        If there is no network, a checksum is wrong, or the cache cannot be written.
    """
    version, jars = load_lock()
    folder = (cache or cache_dir()) / f"kafka-{version}"
    missing = missing_jars(folder, jars)
    if not missing:
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="download-", dir=folder.parent) as scratch:
            _download_all(missing, folder=folder, scratch=Path(scratch), bar=show_progress)
    except OSError as error:
        raise StackError(
            f"cannot write Kafka's jars to {folder}: {error}; "
            "free the disk, change the owner, or set LIVETRAP_CACHE_DIR"
        ) from error
    return folder


def missing_jars(folder: Path, jars: tuple[Jar, ...]) -> list[Jar]:
    """Return the jars that are missing in the folder, or have another checksum."""
    return [jar for jar in jars if not _is_intact(folder / jar.filename, jar)]


def _to_jar(coordinate: str, sha256: str, size_bytes: int) -> Jar:
    """Read one entry of the lock file."""
    group, artifact, version = coordinate.split(":")
    return Jar(group, artifact, version, sha256, size_bytes)


def _is_intact(path: Path, jar: Jar) -> bool:
    """Return whether a file is the one of the lock file."""
    return (
        path.is_file()
        and path.stat().st_size == jar.size_bytes
        and hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256
    )


def _download_all(jars: list[Jar], *, folder: Path, scratch: Path, bar: bool) -> None:
    """Download with several threads; the first failure stops the rest."""
    with _progress(sum(jar.size_bytes for jar in jars), shown=bar) as advance:
        pool = ThreadPoolExecutor(_THREADS)
        try:
            jobs = {pool.submit(_download, jar, scratch=scratch): jar for jar in jars}
            for job in as_completed(jobs):
                jar = jobs[job]
                _install(job.result(), jar=jar, folder=folder)
                advance(jar.size_bytes)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _download(jar: Jar, *, scratch: Path) -> Path:
    """Download one jar from Maven Central, with some attempts."""
    from jgo.maven import MavenContext  # noqa: PLC0415  (slow, and only needed online)
    from requests import RequestException  # noqa: PLC0415

    for attempt in range(_TRIES):
        repository = scratch / f"{jar.artifact}-{attempt}"
        try:
            project = MavenContext(repo_cache=repository).project(jar.group, jar.artifact)
            found = project.at_version(jar.version).artifact(packaging="jar").resolve()
            return Path(str(found))
        except (RequestException, RuntimeError, OSError) as error:
            failure = error
            time.sleep(attempt)
    raise StackError(
        f"cannot download {jar.filename} ({type(failure).__name__}: {failure}); "
        "check the network and the proxy and start again, or copy the folder "
        f"{scratch.parent} from a machine that has it (LIVETRAP_CACHE_DIR)"
    ) from failure


def _install(found: Path, *, jar: Jar, folder: Path) -> None:
    """Move a checked download to its place in one step."""
    if not _is_intact(found, jar):
        raise StackError(
            f"{jar.filename} was downloaded but its sha256 is not the one in our lock file; "
            "start again; if it persists, a proxy or mirror alters downloads"
        )
    partial = folder / f".{jar.filename}.{os.getpid()}"
    shutil.copyfile(found, partial)
    partial.replace(folder / jar.filename)


@contextmanager
def _progress(total_bytes: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Yield a function that moves a progress bar, or one that does nothing."""
    if not shown:
        yield lambda _n_bytes: None
        return
    from rich.console import Console  # noqa: PLC0415  (start-up time of --help)
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("Downloading Apache Kafka", total=total_bytes)
        yield lambda n_bytes: progress.advance(task, n_bytes)

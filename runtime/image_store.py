"""The archive's files: a folder or an object store, through one library."""

import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.errors import SettingsError, TransientError
from runtime.settings import ArchiveSettings

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["ImageStore"]

# What an object store says differently each time: how long it took, and the name of the request.
_VARYING = re.compile(r" in [0-9.]+[^ ]*s\b|<(RequestId|HostId)>[^<]*</\1>")
_LONGEST_REASON = 400
_REQUEST_S, _CONNECT_S, _RETRIES_S = 30, 5, 20


class ImageStore:
    """Writes, reads and deletes files by name; opened when it is first used.

    Every method waits, so call it in a thread where an event loop runs, and raises
    `TransientError` if the folder or the object store cannot do it now.

    Parameters
    ----------
    settings : ArchiveSettings
        With a URL.

    Raises
    ------
    SettingsError
        If the library is not installed.
    """

    def __init__(self, settings: ArchiveSettings) -> None:
        _require_library()
        self._url = settings.url or ""
        self._folder = settings.folder
        self._lock = threading.Lock()
        self._store: ObjectStore | None = None
        self._failure: str | None = None

    def put(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all; one of the same name is replaced.

        In a folder it is on the disk, not in the memory of the machine, when this returns.
        """
        import obstore  # noqa: PLC0415  (optional)

        with self._translated():
            store = self._opened()
            if self._folder is not None:
                _remove_leftover(self._folder / name)
            obstore.put(store, name, data, use_multipart=False)
            if self._folder is not None:
                _sync(self._folder / name)

    def get(self, name: str) -> bytes | None:
        """Return a file; None if there is none of the name."""
        import obstore  # noqa: PLC0415  (optional)

        with self._translated():
            try:
                return bytes(obstore.get(self._opened(), name).bytes())
            except FileNotFoundError:
                return None

    def find_size(self, name: str) -> int | None:
        """Return the size of a file [byte]; None if there is none of the name."""
        import obstore  # noqa: PLC0415  (optional)

        with self._translated():
            try:
                return int(obstore.head(self._opened(), name)["size"])
            except FileNotFoundError:
                return None

    def delete(self, names: Sequence[str]) -> None:
        """Delete files, at least one; one that is gone already is no error."""
        import obstore  # noqa: PLC0415  (optional)

        with self._translated():
            store = self._opened()
            try:
                obstore.delete(store, list(names))
            except FileNotFoundError:  # of several, and the others may be there still
                for name in names:
                    with suppress(FileNotFoundError):
                        obstore.delete(store, name)

    def find_failure(self, _timeout_s: float) -> str | None:
        """Return why the last use failed; None if it did not. A probe of `Health`."""
        return self._failure

    def _opened(self) -> "ObjectStore":
        with self._lock:
            if self._store is None:
                self._store = _open(self._url, self._folder)
            return self._store

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate what the library and the system raise, and remember it."""
        from obstore.exceptions import BaseError  # noqa: PLC0415  (optional)

        try:
            yield
        # Its builders raise ValueError for what only the environment can mend.
        except (BaseError, OSError, ValueError) as error:
            self._failure = (
                f"the archive of images cannot be used: {_describe(error)} (LIVETRAP_ARCHIVE__URL)"
            )
            raise TransientError(self._failure) from error
        self._failure = None


def _require_library() -> None:
    try:
        import obstore  # noqa: F401, PLC0415  (optional)
    except ImportError:
        raise SettingsError(
            "LIVETRAP_ARCHIVE__URL needs the library obstore: pip install 'livetrap[archive]'"
        ) from None


def _open(url: str, folder: Path | None) -> "ObjectStore":
    from obstore.store import LocalStore, from_url  # noqa: PLC0415  (optional)

    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        return LocalStore(folder)
    return from_url(
        url,
        client_options={
            "allow_http": True,  # the scheme of the endpoint says what is wanted
            "timeout": timedelta(seconds=_REQUEST_S),
            "connect_timeout": timedelta(seconds=_CONNECT_S),
        },
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=_RETRIES_S)},
    )


def _describe(error: Exception) -> str:
    """Return one line that is the same whenever the same fails: a new one would be logged."""
    text = " ".join(str(error).split("Debug source:", 1)[0].split())
    return _VARYING.sub("", text)[:_LONGEST_REASON].strip()


def _remove_leftover(path: Path) -> None:
    """Remove what a writer that was killed has left: the library writes beside and renames."""
    path.with_name(f"{path.name}#1").unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until a file and its name are on the disk; a row of the database says so."""
    for each in (path, path.parent):
        number = os.open(each, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)

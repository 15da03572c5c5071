"""The inbox: a folder that telescopes write FITS files into."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from services.ingest.handlers.files import FileHandler
from services.ingest.steps import order_by_time

__all__ = ["Inbox"]

_FILES_AT_ONCE = 32


class Inbox:
    """Publish the files that appear in a folder, and move them to a subfolder.

    A file is complete once its size and time are the same in two scans. It moves to the
    subfolder ``published`` or ``rejected`` when Kafka has it: a crash in between publishes it
    again, and the image ledger then counts a duplicate.

    Parameters
    ----------
    folder : Path
        Watched folder; its subfolders are not read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last_scan: dict[Path, tuple[int, int]] = {}

    def find_complete(self) -> list[Path]:
        """Return the files that have not changed since the last scan, in time order."""
        now: dict[Path, tuple[int, int]] = {}
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):  # its writer has renamed it
                if not path.name.startswith(".") and path.is_file():
                    state = path.stat()
                    now[path] = (state.st_size, state.st_mtime_ns)
        complete = [path for path, state in now.items() if self._last_scan.get(path) == state]
        self._last_scan = now
        return order_by_time(complete, {})

    def take_turns(self, is_stopping: Callable[[], bool]) -> Iterator[Sequence[Path]]:
        """Yield the files of `find_complete`, few at once.

        Parameters
        ----------
        is_stopping : callable
            Asked before each turn: a loop that does not ask is taken for one that hangs.
        """
        complete = self.find_complete()
        for begin in range(0, len(complete), _FILES_AT_ONCE):
            if is_stopping():
                return
            yield complete[begin : begin + _FILES_AT_ONCE]

    def publish(self, files: Sequence[Path], handler: FileHandler) -> None:
        """Publish files, then move them to the subfolders.

        Raises
        ------
        TransientError
            If Kafka did not accept one; all of them stay.
        """
        accepted = {path: handler.publish(path) for path in files if path.exists()}
        refused = handler.finish()
        for path, was_sent in accepted.items():
            is_accepted = was_sent and path not in refused
            self._move_to_subfolder(path, "published" if is_accepted else "rejected")

    def _move_to_subfolder(self, path: Path, name: str) -> None:
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        shutil.move(path, folder / path.name)
        self._last_scan.pop(path, None)

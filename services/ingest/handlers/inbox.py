"""A folder that telescopes drop FITS files into."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from services.ingest.handlers.files import FileHandler
from services.ingest.steps import order_by_time

__all__ = ["Inbox"]


class Inbox:
    """Publish what appears in a folder, and put it aside.

    A file is taken once its size and time stand still between two looks. It goes to the
    subfolder ``published`` or ``rejected`` when Kafka has it: a crash in between publishes it
    again, and the ledger then counts a duplicate.

    Parameters
    ----------
    folder : Path
        Watched, without its subfolders.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[Path, tuple[int, int]] = {}

    def find_settled(self) -> list[Path]:
        """Return the files that nobody writes to any more, in time order."""
        now: dict[Path, tuple[int, int]] = {}
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):  # its writer renamed it just now
                if not path.name.startswith(".") and path.is_file():
                    state = path.stat()
                    now[path] = (state.st_size, state.st_mtime_ns)
        settled = [path for path, state in now.items() if self._seen.get(path) == state]
        self._seen = now
        return order_by_time(settled, {})

    def publish(self, files: Sequence[Path], handler: FileHandler) -> None:
        """Publish files, then put them aside.

        Raises
        ------
        TransientError
            If Kafka did not take one; all of them stay.
        """
        accepted = {path: handler.publish(path) for path in files if path.exists()}
        handler.finish()
        for path, is_accepted in accepted.items():
            self._put_aside(path, "published" if is_accepted else "rejected")

    def _put_aside(self, path: Path, name: str) -> None:
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        shutil.move(path, folder / path.name)
        self._seen.pop(path, None)

"""Storage for the brokers of tests: Kafka's own tool formats it once, a copy has other ids."""

import base64
import contextlib
import shutil
import tempfile
import uuid
from pathlib import Path

from livetrap.stack.kafka_broker import KafkaBroker

__all__ = ["give_storage"]

_DATA = "data"
_IDS = ("cluster.id", "directory.id")


def give_storage(folder: Path, jars: Path) -> None:
    """Give a new broker the storage of an empty cluster of its own, without a Java for it.

    Parameters
    ----------
    folder : Path
        Of the broker; `KafkaBroker.prepare` formats nothing there any more.
    jars : Path
        Of Kafka: beside them is what was formatted, which depends on their version alone.
    """
    formatted = jars.with_name(f"{jars.name}-formatted")
    if not formatted.exists():
        _format(jars, formatted)
    shutil.copytree(formatted, folder / _DATA)
    meta = folder / _DATA / "meta.properties"
    meta.write_text("".join(map(_with_new_id, meta.read_text().splitlines(keepends=True))))


def _format(jars: Path, formatted: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="format-", dir=jars.parent) as scratch:
        KafkaBroker(Path(scratch), port=1, controller_port=2).prepare(jars)
        with contextlib.suppress(OSError):  # another process has made it meanwhile
            (Path(scratch) / _DATA).rename(formatted)


def _with_new_id(line: str) -> str:
    name, _, _ = line.partition("=")
    return f"{name}={_new_id()}\n" if name in _IDS else line


def _new_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")

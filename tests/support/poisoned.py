"""A service in which marked messages kill or hang the process: ``tests.support.poisoned NAME``.

It starts the service again whenever it ends, as a supervisor does; the modules are imported once.
A message is marked by ``kills`` or ``hangs`` in the name of its stream; ``webhook-`` before it
means the delivery by webhook, ``read-`` the reading of a record.
"""

import ctypes
import importlib
import inspect
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from tests.support.dying import die

__all__ = ["POISONS"]

_PR_SET_PDEATHSIG = 1


def _poison(text: str, *, where: str = "") -> None:
    """Kill or hang this process if `text` says so."""
    if f"/{where}kills" in text:
        die()
    if f"/{where}hangs" in text:
        time.sleep(600)


def _before(owner: Any, name: str, text_of: Callable[..., str], *, where: str = "") -> None:
    """Poison a function or method at the messages that it is called with."""
    work = getattr(owner, name)

    def poisoned(*arguments: Any, **keywords: Any) -> Any:
        _poison(text_of(*arguments), where=where)
        return work(*arguments, **keywords)

    async def poisoned_async(*arguments: Any, **keywords: Any) -> Any:
        return await poisoned(*arguments, **keywords)

    setattr(owner, name, poisoned_async if inspect.iscoroutinefunction(work) else poisoned)


def _extract() -> None:
    from services.extract.handlers.images import ImageHandler

    _before(ImageHandler, "on_image", lambda _, message: f"/{message.headers['stream']}")


def _ingest() -> None:
    from services.ingest.handlers import files

    _before(files, "prepare_image", _mark_of)


def _archive() -> None:
    from services.archive.steps import archiving

    _before(archiving, "compress", _mark_of)


def _mark_of(data: bytes, *_: Any) -> str:
    """Return what a card of an image has behind ``MARK/``."""
    return f"/{data[:2880].decode().partition('MARK/')[2]}"


def _associate() -> None:
    from services.associate.handlers import detections

    _before(detections, "associate_timestep", lambda _, timestep: f"/{timestep.stream}")
    _before(detections, "check_record", lambda record: f"/{record.stream}", where="read-")


def _alert() -> None:
    from services.alert.handlers import transients

    _before(transients, "build_alert", lambda event, *_: f"/{event.stream}")


def _distribute() -> None:
    from services.distribute.handlers.vtp import VtpServer
    from services.distribute.handlers.webhook import Webhook

    _before(VtpServer, "broadcast", lambda _, ivorn, __: str(ivorn))
    _before(Webhook, "deliver", lambda _, alerts: str(alerts[0].ivorn), where="webhook-")


POISONS: dict[str, Callable[[], None]] = {
    "archive": _archive,
    "extract": _extract,
    "ingest": _ingest,
    "associate": _associate,
    "alert": _alert,
    "distribute": _distribute,
}


def _run(service: str) -> None:
    """Fork the service until it ends by itself."""
    child = 0

    def stop(number: int, _: FrameType | None) -> None:
        if child:
            os.kill(child, number)
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    main = importlib.import_module(f"services.{service}.app").main
    POISONS[service]()
    while True:
        child = os.fork()
        if not child:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            main()
            sys.exit(0)
        _, status = os.waitpid(child, 0)
        print(f'{{"event": "process_ended", "status": {status}}}', flush=True)  # noqa: T201  (the log)


if __name__ == "__main__":
    _run(sys.argv[1])

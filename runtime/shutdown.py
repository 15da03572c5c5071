"""The end of a process: within seconds of the request, whatever its libraries still wait for."""

import os
import signal
import socket
import sys
import threading
import time
from typing import NoReturn

from runtime.logging import get_logger

__all__ = ["STOP_LIMIT_S", "end_process", "limit_stop_time"]

# Kubernetes and the supervisor of the stack kill later; operators wait no longer than 5 s.
STOP_LIMIT_S = 4.0
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def end_process(code: int) -> NoReturn:
    """End the process now, without the finalisation of the interpreter.

    That would destroy the clients of librdkafka, which wait for a broker that is away; no other
    thread runs any more by then, so nothing could limit the time. What was not sent or committed
    is done again after the restart, as after a kill.

    Parameters
    ----------
    code : int
        Exit code.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def limit_stop_time(limit_s: float = STOP_LIMIT_S) -> None:
    """From now on, end the process with code 0 when it still runs some time after a signal.

    A request to a broker or database that does not answer blocks the main thread, and with it
    the handlers of signals that Python calls there. The interpreter itself writes the number of
    a signal to a socket at once, which a thread reads.

    Parameters
    ----------
    limit_s : float
        From the first SIGTERM or SIGINT on [s].
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)  # noqa: FBT003  (the interpreter demands it)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    threading.Thread(
        target=_end_after_signal, args=(reader, writer, limit_s), name="stop-limit", daemon=True
    ).start()


def _end_after_signal(reader: socket.socket, _writer: socket.socket, limit_s: float) -> None:
    """Wait for a signal, then end the process after the limit; keeps both sockets open."""
    while reader.recv(1)[0] not in _STOP_SIGNALS:
        pass
    time.sleep(limit_s)
    get_logger().warning("stop_limit_reached", seconds=limit_s)
    end_process(0)

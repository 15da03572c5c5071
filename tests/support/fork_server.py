"""A process that has imported what others need, and is forked for each who asks.

A request is a message on a connection of its own, perhaps with descriptors. Answered are the id
of the new process and, when that has ended, its exit code. Who hangs up before ends it.
"""

import contextlib
import os
import select
import selectors
import signal
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Request", "ask", "listen", "serve", "wait_until_asked"]

_LONGEST_REQUEST_BYTES = 1 << 17
_MOST_DESCRIPTORS = 3
_BACKLOG = 64


@dataclass(frozen=True, slots=True)
class Request:
    """What a forked process was asked for.

    Parameters
    ----------
    data : bytes
        As the client wrote them.
    descriptors : sequence of int
        Files that the client has passed.
    """

    data: bytes
    descriptors: Sequence[int]


def listen(path: Path) -> socket.socket:
    """Return a socket for the requests; they wait until they are served."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(path))
    listener.listen(_BACKLOG)
    return listener


def ask(path: str, data: bytes) -> socket.socket:
    """Ask for a process; return the connection, whose end is the end of the process."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(path)
    connection.send(data)
    return connection


def wait_until_asked(listeners: Iterable[socket.socket], *, lifeline: int) -> socket.socket | None:
    """Return where a request has come, or None when the other side of `lifeline` is closed."""
    asked, _, _ = select.select([*listeners, lifeline], [], [])
    return next((each for each in asked if each != lifeline), None)


def serve(listener: socket.socket, *, lifeline: int) -> Request | None:
    """Fork a process for each request until the other side of `lifeline` is closed.

    Parameters
    ----------
    listener : socket.socket
        Of `listen`.
    lifeline : int
        Descriptor to read from. What was forked is waited for.

    Returns
    -------
    Request or None
        In each forked process what it was asked for; None in this one, at the end.
    """
    return _Server(listener, lifeline).run()


class _Server:
    def __init__(self, listener: socket.socket, lifeline: int) -> None:
        self._listener = listener
        self._lifeline = lifeline
        self._clients: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._woken, self._wakes = os.pipe()
        for end in (self._woken, self._wakes):
            os.set_blocking(end, False)

    def run(self) -> Request | None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for those who ask
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        for readable in (self._listener, self._lifeline, self._woken):
            self._selector.register(readable, selectors.EVENT_READ)
        is_asked = True
        while is_asked or self._clients:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    if request := self._fork():
                        return request
                elif key.fd == self._woken:
                    self._reap()
                elif key.fd == self._lifeline:
                    is_asked = False
                    self._selector.unregister(self._lifeline)
                else:
                    self._end(key.data)
        return None

    def _fork(self) -> Request | None:
        client, _ = self._listener.accept()
        data, descriptors, *_ = socket.recv_fds(client, _LONGEST_REQUEST_BYTES, _MOST_DESCRIPTORS)
        pid = os.fork()
        if pid == 0:
            self._forget(client)
            return Request(data, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        self._clients[pid] = client
        self._selector.register(client, selectors.EVENT_READ, pid)
        _answer(client, pid)
        return None

    def _forget(self, client: socket.socket) -> None:
        """Leave the forked process nothing of this one."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._selector.close()
        for each in (self._listener, client, *self._clients.values()):
            each.close()
        for end in (self._woken, self._wakes):
            os.close(end)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, self._lifeline)
        os.close(nothing)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._woken, 1 << 12)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if client := self._clients.pop(ended[0], None):
                    self._stop_listening_to(client)
                    _answer(client, os.waitstatus_to_exitcode(ended[1]))
                    client.close()

    def _end(self, pid: int) -> None:
        """End a process that nobody wants any more, unless it has ended by itself just now."""
        if client := self._clients.get(pid):
            self._stop_listening_to(client)
            os.kill(pid, signal.SIGTERM)

    def _stop_listening_to(self, client: socket.socket) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(client)


def _answer(client: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # it has hung up
        client.send(b"%d" % number)

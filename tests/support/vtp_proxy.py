"""A TCP proxy that can be shut: a server is away while it runs on."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["TcpProxy", "proxy_to"]


class TcpProxy:
    """Forwards connections while open; `shut` cuts them and refuses new ones.

    After `freeze` they stay, and nothing comes through any more.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._is_open = True
        self._flows = threading.Event()
        self._flows.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self) -> None:
        with self._lock:
            self._is_open = False
            sockets, self._sockets = self._sockets, []
        for each in sockets:
            _close(each)

    def open(self) -> None:
        with self._lock:
            self._is_open = True

    def freeze(self) -> None:
        self._flows.clear()

    def close(self) -> None:
        self._flows.set()
        self.shut()
        _close(self._listener)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                inner, _ = self._listener.accept()
                with self._lock:
                    if not self._is_open:
                        _close(inner)
                        continue
                    outer = socket.create_connection(self._target)
                    self._sockets += [inner, outer]
                for pair in ((inner, outer), (outer, inner)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self._flows.wait()
                sink.sendall(data)
        _close(source)
        _close(sink)


def _close(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


@contextmanager
def proxy_to(host: str, port: int) -> Iterator[TcpProxy]:
    """Give a proxy in front of a server."""
    proxy = TcpProxy(host, port)
    try:
        yield proxy
    finally:
        proxy.close()

"""The default ports of a stack, kept busy while one starts."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

__all__ = ["default_ports_busy"]

_PORTS = (8080, 8099, 9092, 9093, 55432)


@contextmanager
def default_ports_busy() -> Iterator[None]:
    """Let a stack choose other ports: another stack would take a default one in an outage."""
    with ExitStack() as stack:
        for port in _PORTS:
            listener = stack.enter_context(socket.socket())
            with suppress(OSError):  # in use already
                listener.bind(("127.0.0.1", port))
                listener.listen()
        yield

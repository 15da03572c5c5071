"""The default ports of a stack, kept from every stack that tests start."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

__all__ = ["default_ports_taken"]

_PORTS = (8080, 8099, 9092, 9093, 55432)


@contextmanager
def default_ports_taken() -> Iterator[None]:
    """Let stacks choose other ports: another one would take a default port in an outage.

    Nobody listens: a client is refused at once, as without a stack. Several test runs share them.
    """
    with ExitStack() as stack:
        for port in _PORTS:
            holder = stack.enter_context(socket.socket())
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            with suppress(OSError):  # a server of this machine has it
                holder.bind(("127.0.0.1", port))
        yield

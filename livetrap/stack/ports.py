"""Which TCP ports of this machine are free."""

import random
import socket
import time

from livetrap.stack.errors import StackError
from runtime.errors import SettingsError

__all__ = ["choose_port", "is_free", "is_listening", "wait_until_free"]

_HOST = "127.0.0.1"
# Below the kernel's ephemeral range, so that no outgoing connection takes it meanwhile.
_FIRST, _LAST = 20000, 32000


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True


def is_listening(port: int, *, host: str = _HOST) -> bool:
    """Tell whether something accepts connections on this port."""
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


def choose_port(
    default: int | None, *, asked: int | None = None, option: str = "", taken: set[int]
) -> int:
    """Return the asked port, else the default one, else any that is free.

    Parameters
    ----------
    default : int, optional
        Preferred port; a busy one is silently replaced.
    asked : int, optional
        Port the operator wants; a busy one is refused.
    option : str
        Command line option he used, for the message.
    taken : set of int
        Ports given to another part already; the result is added.

    Returns
    -------
    int
        A port nobody listens on.

    Raises
    ------
    SettingsError
        If the asked port is busy.
    StackError
        If no free port was found.
    """
    if asked is not None:
        if asked in taken or not is_free(asked):
            raise SettingsError(
                f"port {asked} ({option}) is in use; stop what listens there, "
                "choose another, or leave the option away"
            )
        taken.add(asked)
        return asked
    draws = (random.randint(_FIRST, _LAST) for _ in range(200))  # noqa: S311  (no secret)
    for port in ([default] if default else []) + list(draws):
        if port not in taken and is_free(port):
            taken.add(port)
            return port
    raise StackError(f"no free port found between {_FIRST} and {_LAST}")


def wait_until_free(ports: list[int], *, timeout_s: float) -> list[int]:
    """Wait until nobody holds these ports; return those still held."""
    deadline = time.monotonic() + timeout_s
    held = [port for port in ports if not is_free(port)]
    while held and time.monotonic() < deadline:
        time.sleep(0.05)
        held = [port for port in held if not is_free(port)]
    return held

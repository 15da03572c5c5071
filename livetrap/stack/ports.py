"""Which TCP ports of this machine are free."""

import errno
import random
import socket
import sys
import time
from contextlib import suppress

import psutil

from livetrap.stack.errors import StackError
from runtime.errors import SettingsError

__all__ = ["choose_port", "is_free", "is_listening", "wait_until_left"]

_LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
# Below the kernel's ephemeral range, so that no outgoing connection takes it meanwhile.
_FIRST, _LAST = 20000, 32000
# Ports this process has chosen, until it ends: their servers may not listen yet.
_claims: dict[int, int] = {}  # descriptors


def is_free(port: int) -> bool:
    """Return whether a server could listen on this port of loopback now, by IPv4 and IPv6."""
    return all(_can_bind(family, host, port) for family, host in _LOOPBACK if _has(family, host))


def is_listening(port: int, *, host: str = "127.0.0.1") -> bool:
    """Return whether a server accepts connections on this port."""
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


def choose_port(
    default: int | None, *, wanted: int | None = None, option: str = "", taken: set[int]
) -> int:
    """Return the wanted port, else the default one, else any that is free.

    No other process of LiveTrap gets the same port by default or by chance while this one runs.

    Parameters
    ----------
    default : int, optional
        Preferred port; if it is in use, another one is chosen.
    wanted : int, optional
        Port of the command line or the settings; if it is in use, that is an error.
    option : str
        Command line option for the port, for the message.
    taken : set of int
        Ports given to another part already; the result is added.

    Returns
    -------
    int
        A port that no server listens on.

    Raises
    ------
    SettingsError
        If the wanted port is in use.
    StackError
        If no free port was found.
    """
    if wanted is not None:
        if wanted in taken or not is_free(wanted):
            raise SettingsError(
                f"port {wanted} ({option}) is in use; stop what listens there (`ss -ltnp` shows "
                f"it), choose another with {option}, or leave the port out for any free one"
            )
        taken.add(wanted)
        return wanted
    draws = (random.randint(_FIRST, _LAST) for _ in range(200))  # noqa: S311  (no secret)
    for port in ([default] if default else []) + list(draws):
        if port not in taken and is_free(port) and _claim(port):
            taken.add(port)
            return port
    raise StackError(f"no free port found between {_FIRST} and {_LAST}")


def wait_until_left(ports: list[int], *, supervisor: str, timeout_s: float) -> list[int]:
    """Wait until no process of a stack listens on its ports any more.

    Parameters
    ----------
    ports : list of int
        Its ports; another program may have taken one that is free already.
    supervisor : str
        Socket of the stack's supervisord, by which its processes are known.
    timeout_s : float
        Longest wait [s].

    Returns
    -------
    list of int
        Ports on which processes of the stack still listen.
    """
    deadline = time.monotonic() + timeout_s
    while in_use := _listened_by(supervisor, [port for port in ports if not is_free(port)]):
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return in_use


def _listened_by(supervisor: str, ports: list[int]) -> list[int]:
    """Return those of the ports on which a process of this supervisord listens."""
    found = set()
    for connection in psutil.net_connections("tcp") if ports else ():
        port = connection.laddr.port if connection.laddr else 0
        if connection.status == psutil.CONN_LISTEN and port in ports and connection.pid:
            with suppress(psutil.Error):  # it has just ended, or is another user's
                address = psutil.Process(connection.pid).environ().get("SUPERVISOR_SERVER_URL")
                if address == f"unix://{supervisor}":
                    found.add(port)
    return sorted(found)


def _claim(port: int) -> bool:
    """Keep a port from other processes that choose one now; return whether none has it.

    The claim is a name of this network namespace, which ends with the process that holds it.
    """
    if port in _claims or sys.platform != "linux":
        return True
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0livetrap-port-{port}")
    except OSError as error:
        name.close()
        if error.errno == errno.EADDRINUSE:
            return False
        raise
    _claims[port] = name.detach()
    return True


def _has(family: socket.AddressFamily, host: str) -> bool:
    """Return whether this machine has a loopback address; containers often lack that of IPv6."""
    return _can_bind(family, host, 0)


def _can_bind(family: socket.AddressFamily, host: str, port: int) -> bool:
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError:
        return False
    return True

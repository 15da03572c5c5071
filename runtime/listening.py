"""Listening TCP sockets, for IPv4 and IPv6, and whom their peers belong to."""

import ipaddress
import socket

from runtime.errors import SettingsError

__all__ = ["create_listener", "format_address", "party_of", "site_of"]

# What a peer has not acknowledged by then is given up: one that vanished without a word, or that
# reads nothing, would keep its place for a quarter of an hour.
_UNACKNOWLEDGED_S = 120
_IPV6_PREFIX_BITS = 64
# What one customer of a provider may have (RFC 6177).
_IPV6_SITE_BITS = 48


def create_listener(host: str, port: int, *, settings: str, backlog: int = 512) -> socket.socket:
    """Return a listening socket; that of ``::`` accepts IPv4 as well.

    Parameters
    ----------
    host : str
        Name or address of this machine, such as ``127.0.0.1``, ``::1`` or ``::``.
    port : int
        Port; 0 chooses a free one.
    settings : str
        Names of the settings that hold both, for the error.
    backlog : int
        Connections that may wait to be accepted.

    Raises
    ------
    SettingsError
        If the address is taken, or is none of this machine.
    """
    try:
        family = _family(host, port)
        listener = socket.create_server(
            (host, port),
            family=family,
            backlog=backlog,
            dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {format_address(host, port)}: {error}; free it or change {settings}"
        ) from error
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # the sockets of connections inherit it (Linux)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * _UNACKNOWLEDGED_S)
    return listener


def format_address(host: str, port: int) -> str:
    """Return ``host:port``, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def party_of(host: str) -> str:
    """Return what a limit per address counts: an IPv4 address, or the /64 of an IPv6 one.

    Everybody with IPv6 has 2^64 addresses: a limit that counted each would limit nobody.
    """
    try:
        address = ipaddress.ip_address(host.split("%", maxsplit=1)[0])
    except ValueError:
        return host
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return str(mapped)
    if address.version == 4 or address.is_loopback or address.is_link_local:
        return str(address)
    return str(ipaddress.ip_network((address, _IPV6_PREFIX_BITS), strict=False))


def site_of(host: str) -> str:
    """Return the /48 of an IPv6 address, which may be one customer's; else as `party_of`.

    Where those that ask share what there is in turns, each site has one: 65 536 networks of one
    customer would have all the turns.
    """
    party = party_of(host)
    if not party.endswith(f"/{_IPV6_PREFIX_BITS}"):
        return party
    return str(ipaddress.ip_network(party).supernet(new_prefix=_IPV6_SITE_BITS))


def _family(host: str, port: int) -> socket.AddressFamily:
    """Return the family of a host; IPv4 if its name has addresses of both."""
    found = {each[0] for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    return socket.AF_INET if socket.AF_INET in found else socket.AF_INET6

"""Whose address it is: limits count what one party can have, not what it can call itself."""

import ipaddress

__all__ = ["party_of"]

_IPV6_PREFIX_BITS = 64


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

"""The request to a webhook, and the addresses that it may go to."""

import hashlib
import hmac
import ipaddress
from base64 import b64encode
from collections.abc import Sequence
from typing import Literal

import orjson

from services.distribute.errors import DeliveryError
from services.distribute.models import OutgoingAlert, SourcePictures

__all__ = ["add_stamps", "check_addresses", "sign", "to_body"]

# All of IPv6 that hosts may have; NAT64, site-local and mapped addresses are not in it.
_UNICAST = ipaddress.ip_network("2000::/3")
# IETF protocols with Teredo, documentation, 6to4 and its relays, IETF protocols of IPv4.
_SPECIAL = tuple(
    ipaddress.ip_network(network)
    for network in (
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "192.88.99.0/24",
        "192.0.0.0/24",
    )
)

# Middle of an address that has one of IPv4 in its last four bytes (ISATAP, RFC 5214).
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})

_JSON, _XML = "application/json", "application/xml"


def to_body(alert: OutgoingAlert, kind: Literal["json", "voevent", "chat"]) -> tuple[bytes, str]:
    """Return body and media type."""
    if kind == "voevent":
        return alert.voevent, _XML
    return (alert.notice if kind == "json" else _to_chat(alert)), _JSON


def add_stamps(notice: bytes, pictures: SourcePictures) -> bytes:
    """Return a notice that carries the stamps of its source, as far as there are any."""
    encoded = {role: b64encode(png).decode() for role, png in pictures.by_role.items()}
    return orjson.dumps(orjson.loads(notice) | {"stamps_png": encoded})


def _to_chat(alert: OutgoingAlert) -> bytes:
    """Return a message as the incoming webhooks of Slack and Mattermost take it."""
    notice = orjson.loads(alert.notice)
    name = (notice.get("event_name") or [notice.get("id", "")])[0]
    snr = f", S/N {notice['image_snr']:.1f}" if "image_snr" in notice else ""
    text = (
        f"{name}: {notice['alert_type']}, {notice['kind']}{snr}, "
        f"{notice['ra']:.4f} {notice['dec']:+.4f}, {notice['trigger_time']}"
    )
    if notice["role"] != "observation":
        text = f"{notice['role'].upper()} {text}"
    if (link := notice.get("data_archive_page")) is not None:
        text = f"{text} {link}"
    for mark, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(mark, entity)
    return orjson.dumps({"text": text})


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a body: HMAC-SHA256 of timestamp, a dot and the body [hex]."""
    text = timestamp.encode() + b"." + body
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def check_addresses(host: str, addresses: Sequence[str], *, allow_private: bool) -> str:
    """Return the address to connect to.

    Every address of the name must be public: otherwise a name could direct requests to this
    machine or its network.

    Raises
    ------
    DeliveryError
        If one is not.
    """
    if not addresses:
        raise DeliveryError(f"{host} has no address")
    for address in addresses:
        if not allow_private and not _is_public(address):
            raise DeliveryError(
                f"{host} is {address}, which is not public; set `allow_private` for it"
            )
    return addresses[0]


def _is_public(address: str) -> bool:
    """Return whether an address is one host of the internet, and not another address in disguise.

    A scope (``%eth0``) makes it an address of this network.
    """
    if "%" in address:
        return False
    parsed = ipaddress.ip_address(address)
    return (
        parsed.is_global
        and not parsed.is_multicast
        and (parsed.version == 4 or parsed in _UNICAST)
        and not (parsed.version == 6 and int(parsed) >> 32 & 0xFFFF_FFFF in _ISATAP)
        and not any(parsed in network for network in _SPECIAL)
    )

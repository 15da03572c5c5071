"""The request to a webhook, and the addresses that it may go to."""

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from typing import Literal

from services.distribute.errors import DeliveryError
from services.distribute.models import OutgoingAlert

__all__ = ["check_addresses", "sign", "to_body"]

_MEDIA_TYPES = {"json": "application/json", "voevent": "application/xml"}


def to_body(alert: OutgoingAlert, kind: Literal["json", "voevent"]) -> tuple[bytes, str]:
    """Return body and media type."""
    return (alert.notice if kind == "json" else alert.voevent), _MEDIA_TYPES[kind]


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
        parsed = ipaddress.ip_address(address.split("%")[0])
        mapped = getattr(parsed, "ipv4_mapped", None)
        if not allow_private and not (mapped or parsed).is_global:
            raise DeliveryError(
                f"{host} is {address}, which is not public; set `allow_private` for it"
            )
    return addresses[0]

"""Deliveries of an alert, without the addresses of its subscribers."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from api.models.alerts import AlertDeliveries, DeliveryItem
from schemas.delivery_channels import DeliveryChannelName

__all__ = ["to_public_deliveries"]

_ANONYMOUS = "anonymous"


def to_public_deliveries(rows: Sequence[Mapping[str, Any]]) -> AlertDeliveries:
    """Return the deliveries of one alert; without any, its one row has no channel."""
    items = [
        DeliveryItem(
            channel=row["channel"],
            subscriber=_to_public_name(row["channel"], row["subscriber"]),
            time_handed=row["time_handed"],
            time_acknowledged=row["time_acknowledged"],
        )
        for row in rows
        if row["channel"] is not None
    ]
    return AlertDeliveries(ivorn=rows[0]["ivorn"], items=items)


def _to_public_name(channel: str, subscriber: str) -> str:
    """Return the name of a subscriber; of a VTP subscriber ``name@address`` the name alone."""
    if channel != DeliveryChannelName.VTP:
        return subscriber
    name = subscriber.rpartition("@")[0]
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name or _ANONYMOUS
    return _ANONYMOUS

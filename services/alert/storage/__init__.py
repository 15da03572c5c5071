"""The alerts and their deliveries in PostgreSQL."""

from services.alert.storage.alerts import AlertStore
from services.alert.storage.deliveries import DeliveryStore

__all__ = ["AlertStore", "DeliveryStore"]

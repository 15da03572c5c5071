"""The alerts and their deliveries in PostgreSQL."""

from services.alert.storage.alerts import AlertBook, AlertStore
from services.alert.storage.deliveries import DeliveryStore
from services.alert.storage.leadership import Leadership

__all__ = ["AlertBook", "AlertStore", "DeliveryStore", "Leadership"]

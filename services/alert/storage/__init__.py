"""Alerts and suppressed events in PostgreSQL."""

from services.alert.storage.alerts import AlertStore
from services.alert.storage.transactions import AlertTransaction

__all__ = ["AlertStore", "AlertTransaction"]

"""Alerts and suppressed events in PostgreSQL."""

from services.alert.storage.alerts import AlertStore, AlertTransaction

__all__ = ["AlertStore", "AlertTransaction"]

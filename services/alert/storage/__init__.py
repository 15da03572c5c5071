"""The alerts, their deliveries and the submissions of others in PostgreSQL."""

from services.alert.storage.alerts import AlertStore, AlertTransaction
from services.alert.storage.deliveries import DeliveryStore
from services.alert.storage.submissions import SubmissionStore

__all__ = ["AlertStore", "AlertTransaction", "DeliveryStore", "SubmissionStore"]

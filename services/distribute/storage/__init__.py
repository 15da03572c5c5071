"""Alerts, their stamps and deliveries, and the submissions of other authors in PostgreSQL."""

from services.distribute.storage.alerts import AlertStore
from services.distribute.storage.deliveries import DeliveryStore
from services.distribute.storage.stamps import StampStore
from services.distribute.storage.submissions import SubmissionStore
from services.distribute.storage.subscriptions import SubscriptionStore
from services.distribute.storage.unused_topics import UnusedTopicStore

__all__ = [
    "AlertStore",
    "DeliveryStore",
    "StampStore",
    "SubmissionStore",
    "SubscriptionStore",
    "UnusedTopicStore",
]

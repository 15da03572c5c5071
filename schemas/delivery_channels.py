"""Names of the channels that deliver alerts, as in `delivery.channel` and `subscriber.channel`."""

from enum import StrEnum

__all__ = ["DeliveryChannelName"]


class DeliveryChannelName(StrEnum):
    """How an alert reaches a subscriber; all but Kafka know their subscribers by name."""

    KAFKA = "kafka"
    VTP = "vtp"
    WEBHOOK = "webhook"
    EMAIL = "email"
    BROKER = "broker"
    SUBSCRIPTION = "subscription"

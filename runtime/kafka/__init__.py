"""Kafka clients for large images: nothing is lost, offsets follow results."""

from runtime.kafka.admin import (
    KafkaProbe,
    compare_topics,
    delete_topics,
    ensure_alert_topic,
    ensure_topics,
    fence_config,
    fence_topics,
    fetch_cluster_id,
    fetch_retention_bytes,
)
from runtime.kafka.broker_clock import BrokerClock
from runtime.kafka.clients import (
    MAX_MESSAGE_BYTES,
    CheckedConsumer,
    create_consumer,
    create_producer,
)
from runtime.kafka.consuming import InMessage, OffsetTracker, consume_batch, without_bytes
from runtime.kafka.deferring import DeferredMessages
from runtime.kafka.group_offsets import ConsumedHorizon, GroupOffsets, Offsets
from runtime.kafka.identity import ClusterCheck
from runtime.kafka.producing import (
    OutMessage,
    is_too_large,
    produce_and_locate,
    produce_and_wait,
    send,
)
from runtime.kafka.refetching import MessageFetcher
from runtime.kafka.retention_losses import LostMessages, RetentionWatch, lost_by_retention
from runtime.kafka.security import create_ssl_context
from runtime.kafka.tailing import TopicTail

__all__ = [
    "MAX_MESSAGE_BYTES",
    "BrokerClock",
    "CheckedConsumer",
    "ClusterCheck",
    "ConsumedHorizon",
    "DeferredMessages",
    "GroupOffsets",
    "InMessage",
    "KafkaProbe",
    "LostMessages",
    "MessageFetcher",
    "OffsetTracker",
    "Offsets",
    "OutMessage",
    "RetentionWatch",
    "TopicTail",
    "compare_topics",
    "consume_batch",
    "create_consumer",
    "create_producer",
    "create_ssl_context",
    "delete_topics",
    "ensure_alert_topic",
    "ensure_topics",
    "fence_config",
    "fence_topics",
    "fetch_cluster_id",
    "fetch_retention_bytes",
    "is_too_large",
    "lost_by_retention",
    "produce_and_locate",
    "produce_and_wait",
    "send",
    "without_bytes",
]

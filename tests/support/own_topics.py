"""Topics that only one test uses."""

import uuid

from confluent_kafka.admin import AdminClient

from runtime.kafka import ensure_topics
from runtime.settings import KafkaSettings
from schemas.topics import Topics
from tests.support.vtp_service import wait_until

__all__ = ["make_topics"]


def make_topics(bootstrap: str, *, partitions: int) -> KafkaSettings:
    """Make all topics under a prefix of their own; return the settings that name them."""
    made = KafkaSettings(
        bootstrap_servers=bootstrap, topic_prefix=f"{uuid.uuid4().hex}.", partitions=partitions
    )
    ensure_topics(made)
    names = set(Topics(made.topic_prefix).all())
    admin = AdminClient({"bootstrap.servers": bootstrap})
    # A broker knows a topic that it has made a moment later.
    wait_until(lambda: names <= set(admin.list_topics(timeout=10).topics), what="the topics")
    return made

"""What the broker of `livetrap up` says of its own settings."""

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType


def test_buffers_of_sockets_are_those_of_the_system(kafka_bootstrap: str) -> None:
    broker = ConfigResource(ResourceType.BROKER, "1")
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    settings = admin.describe_configs([broker])[broker].result(60)
    names = ("socket.send.buffer.bytes", "socket.receive.buffer.bytes")
    assert [settings[name].value for name in names] == ["-1", "-1"]

"""The Kafka of `livetrap up` while nothing happens."""

from confluent_kafka.admin import AdminClient, ConfigResource


def test_an_idle_broker_writes_no_records_that_say_nothing(kafka_bootstrap: str) -> None:
    broker = ConfigResource(ConfigResource.Type.BROKER, "1")
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    found = admin.describe_configs([broker])[broker].result(60)
    assert found["metadata.max.idle.interval.ms"].value == "0"

"""The Kafka that `livetrap up` starts, as this run's own one is started."""

from pathlib import Path

import psutil
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType


def test_the_broker_has_one_compiler(kafka_bootstrap: str) -> None:
    port = int(kafka_bootstrap.rpartition(":")[2])
    [pid] = {
        each.pid
        for each in psutil.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN and each.laddr.port == port
    }
    threads = {
        path.read_text().strip() for path in Path(f"/proc/{pid}/task").glob("*/comm")
    }  # the kernel keeps 15 characters
    assert "C1 CompilerThre" in threads
    assert "C2 CompilerThre" not in threads


def test_an_idle_broker_writes_no_metadata(kafka_bootstrap: str) -> None:
    """By default twice a second: a third of what an idle broker computes, and its disk."""
    broker = ConfigResource(ResourceType.BROKER, "1")
    client = AdminClient({"bootstrap.servers": kafka_bootstrap})
    answer = client.describe_configs([broker], request_timeout=60)[broker]
    assert answer.result(60)["metadata.max.idle.interval.ms"].value == "0"

"""The Kafka that `livetrap up` starts, as this run's own one is started."""

from pathlib import Path

import psutil


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

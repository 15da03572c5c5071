"""FITS files in, valid VOEvents about what was really in them out, each once."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.support.comet import comet_subscriber
from tests.support.night import (
    Stack,
    read_truth,
    run,
    running_stack,
    separation_arcsec,
    wait_for,
)
from tests.support.voevent import read_packet

pytestmark = pytest.mark.timeout(600)

TIMESTEPS = 30
BANDS = 4


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("night")
    run(
        "simulate", str(out), "--images", str(TIMESTEPS), "--size", "512",
        "--bands", str(BANDS), "--seed", "20261123", "--transients", "4",
    )  # fmt: skip
    return out


def ivorns_on_kafka(stack: Stack) -> list[str]:
    """Return the ivorn of every packet on the alert topic, from the first on."""
    consumer = Consumer(
        {
            "bootstrap.servers": stack.status["kafka"],
            "group.id": "test",
            "enable.auto.commit": False,
        }
    )
    topic = "alerts-voevent-v1"
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
    consumer.assign([TopicPartition(topic, 0, 0)])
    ivorns: list[str] = []
    while len(ivorns) < end:
        messages = consumer.consume(end - len(ivorns), 5)
        ivorns.extend(dict(message.headers())["ivorn"].decode() for message in messages)
    consumer.close()
    return ivorns


def is_transient(row: dict[str, str]) -> bool:
    return row["kind"] in ("fast_transient", "slow_transient")


def settled(stack: Stack, n_least: int) -> list[dict[str, Any]] | None:
    """Return the alerts once there are enough, and no more come."""
    before = stack.alerts()
    time.sleep(2)
    alerts = stack.alerts()
    return alerts if len(before) == len(alerts) >= n_least else None


def test_every_transient_is_alerted_once(night: Path, tmp_path: Path) -> None:
    truth = read_truth(night / "truth.csv")
    with running_stack() as stack, comet_subscriber(stack.status["vtp_port"], tmp_path) as comet:
        run("ingest", str(night), "--stream", "night", "--data-dir", str(stack.data_dir))
        wait_for(
            lambda: stack.outcomes().get("processed") == TIMESTEPS * BANDS,
            what="all images processed",
        )
        transients = stack.get("transients", limit=200)["items"]
        alerts = wait_for(lambda: settled(stack, len(transients)), what="alerts", every_s=2)
        first = [alert for alert in alerts if alert["alert_type"] == "initial"]
        assert len(first) == len(transients)
        assert {alert["alert_type"] for alert in alerts} <= {"initial", "update"}
        initial = [alert for alert in first if alert["kind"] == "new_source"]

        expected = [row for row in truth if is_transient(row)]
        assert len(expected) >= 3
        for row in expected:
            near = [
                alert
                for alert in initial
                if separation_arcsec(
                    float(row["ra"]), float(row["dec"]), alert["ra"], alert["dec"]
                ) < 30
            ]  # fmt: skip
            assert len(near) == 1, (row, initial)
        assert len(initial) <= len(expected) + 1

        for alert in alerts:
            packet = httpx.get(
                f"{stack.api}/alerts/{alert['id']}", headers={"Accept": "application/xml"}
            )
            assert packet.headers["content-type"].startswith("application/xml")
            read_packet(packet.content)

        ivorns = {alert["ivorn"] for alert in alerts}
        wait_for(lambda: len(ivorns_on_kafka(stack)) >= len(ivorns), what="alerts on Kafka")
        assert Counter(ivorns_on_kafka(stack)) == Counter(ivorns)
        wait_for(lambda: set(comet.ivorns()) == ivorns, what="alerts at Comet")

        first = stack.get("sources", limit=1)["items"][0]
        points = stack.get(f"sources/{first['id']}/lightcurve")["points"]
        assert len(points) == first["n_datapoints"]
        wait_for(
            lambda: len(stack.get("sources", sort="eta", limit=5)["items"]) == 5,
            what="the copy of the statistics",
        )

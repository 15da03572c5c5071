"""What alerts say, but for when they were sent and for keys of the database."""

import json
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from lxml import etree

from runtime.kafka.connection import common_config
from services.alert.app.service import GROUP
from tests.support.vtp_service import AlertSite, wait_until

__all__ = ["alert_bodies", "wait_for_alerts"]

# Keys of a database, and clocks; a retraction expires some time after it was sent.
_OF_THE_RUN = {"source_id", "transient_id", "alert_datetime", "latency_s"}
_LATENCIES = "latency_"


def wait_for_alerts(site: AlertSite) -> None:
    """Wait until the alert service has done with all events that are on Kafka."""
    own = common_config(site.kafka) | {"log_level": 0, "group.id": site.prefix + GROUP}
    reader = Consumer(own | {"enable.auto.commit": False})
    topic = site.topics.transients
    partitions = [TopicPartition(topic, number) for number in range(site.kafka.partitions)]
    ends = [reader.get_watermark_offsets(each, timeout=60)[1] for each in partitions]

    def is_done() -> bool:
        committed = reader.committed(partitions, timeout=60)
        return all(end <= max(each.offset, 0) for each, end in zip(committed, ends, strict=True))

    wait_until(is_done, timeout_s=300, what="the alerts of all events")
    reader.close()


def alert_bodies(site: AlertSite) -> dict[tuple[str, str], str]:
    """Return by ivorn and name what packet and notice of each alert say."""
    found: dict[tuple[str, str], str] = {}
    for row in site.fetch("select ivorn, voevent, notice::text as notice from alert"):
        notice = json.loads(row["notice"])
        for name, value in _flatten("", notice):
            if not name.startswith(_LATENCIES) and name not in _OF_THE_RUN:
                found[row["ivorn"], f"notice.{name}"] = repr(value)
        packet = etree.fromstring(row["voevent"])
        found |= {(row["ivorn"], f"voevent{name}"): text for name, text in _texts(packet)}
    return found


def _flatten(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values inside a JSON value with their paths."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _flatten(f"{name}.{key}".lstrip("."), each)
    elif isinstance(value, list):
        yield f"{name}.length", len(value)
        for number, each in enumerate(value):
            yield from _flatten(f"{name}.{number}", each)
    else:
        yield name, value


def _texts(packet: Any) -> Iterator[tuple[str, str]]:
    """Yield path, attributes and text of each element of a packet."""
    is_retraction = packet.find(".//Param[@name='AlertType']").get("value") == "retraction"
    tree = packet.getroottree()
    for each in packet.iter():
        attributes = dict(each.attrib)
        name = attributes.get("name", "")
        if each.tag == "Date" or name in _OF_THE_RUN or name.startswith(_LATENCIES):
            continue
        if is_retraction:
            attributes.pop("expires", None)
        yield f"{tree.getpath(each)}[{name}]", f"{sorted(attributes.items())} {each.text}"

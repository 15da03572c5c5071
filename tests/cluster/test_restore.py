"""A base backup taken in the middle of a night, and restored: the same alerts come out."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from livetrap.database.migrations import migrate
from livetrap.simulator import SimulatedImage, SimulatorConfig, iterate_images, lofar_bands_hz
from livetrap.stack.ports import choose_port
from runtime.kafka import ensure_topics
from runtime.settings import KafkaSettings
from schemas.topics import image_message_key
from tests.support.night import LONG_WAIT, Stack
from tests.support.own_postgres import own_postgres
from tests.support.vtp_service import AlertSite, wait_until

TIMESTEPS = 14
BANDS_HZ = lofar_bands_hz(2)
N_IMAGES = TIMESTEPS * len(BANDS_HZ)
N_BEFORE = 8 * len(BANDS_HZ)
SERVICES = ("extract", "associate", "alert")
# No timestep closes without one of its bands, however slow the machine is.
BOTH_BANDS = {"LIVETRAP_ASSOCIATE__WINDOW_TIMEOUT_S": "3600"}
# On a machine that does much else.
LONGEST_S = 300


def render() -> list[SimulatedImage]:
    config = SimulatorConfig(
        images=TIMESTEPS, size=256, bands_hz=BANDS_HZ, seed=7, n_transient=4, stream="night"
    )
    return list(iterate_images(config))


@contextmanager
def running(site: AlertSite) -> Iterator[None]:
    """Run what makes alerts of images; all have ended afterwards."""
    started = [site.start(each, **LONG_WAIT, **BOTH_BANDS) for each in SERVICES]
    yield
    for each in started:
        assert each.terminate() == 0, each.log.read_text()
        site.services.remove(each)


@dataclass(frozen=True)
class Night:
    """What a site is sent, and what it has made of it."""

    site: AlertSite

    def send(self, images: list[SimulatedImage]) -> None:
        producer = Producer({"bootstrap.servers": self.site.bootstrap, "linger.ms": 0})
        for each in images:
            key = image_message_key("night", each.freq_eff_hz)
            producer.produce(
                self.site.topics.images, each.data, key=key.encode(),
                headers={"stream": "night", "n-bands": str(len(BANDS_HZ))},
            )  # fmt: skip
        assert producer.flush(60) == 0

    def outcomes(self) -> dict[str, int]:
        found = self.site.fetch("select outcome, count(*) from image_ledger group by outcome")
        return {row["outcome"]: row["count"] for row in found}

    def wait(self, n_images: int) -> set[str]:
        """Return the ivorns when so many images and all that follows from them are done."""
        status = {"kafka": self.site.bootstrap, "postgres_url": self.site.postgres_url}
        stack = Stack(self.site.folder, status, self.site.topics)

        def is_done() -> bool:
            return sum(self.outcomes().values()) == n_images and stack.n_undecided() == 0

        wait_until(is_done, what=f"{n_images} images", timeout_s=LONGEST_S)
        return {row["ivorn"] for row in self.site.fetch("select ivorn from alert")}


def rewind_alert(site: AlertSite, time_s: float) -> None:
    """Let alert read events from a time on; its group must have lost its last member."""
    group, topic = f"{site.prefix}livetrap-alert", site.topics.transients
    admin = AdminClient({"bootstrap.servers": site.bootstrap})
    consumer = Consumer({"bootstrap.servers": site.bootstrap, "group.id": "harness"})
    partitions = admin.list_topics(topic, timeout=10).topics[topic].partitions
    begin = [TopicPartition(topic, each, int(1000 * time_s)) for each in partitions]
    offsets = consumer.offsets_for_times(begin, timeout=10)
    ends = {
        each.partition: consumer.get_watermark_offsets(each, timeout=10)[1] for each in offsets
    }
    consumer.close()
    wanted = [
        TopicPartition(
            topic, each.partition, each.offset if each.offset >= 0 else ends[each.partition]
        )
        for each in offsets
    ]

    def move() -> bool:
        request = [ConsumerGroupTopicPartitions(group, wanted)]
        moved = admin.alter_consumer_group_offsets(request)[group].result(timeout=20)
        return all(each.error is None for each in moved.topic_partitions)

    wait_until(move, what="a group without members", timeout_s=LONGEST_S)


def test_a_restored_backup_ends_with_the_same_alerts(kafka_bootstrap: str, tmp_path: Path) -> None:
    kafka = KafkaSettings(
        bootstrap_servers=kafka_bootstrap, topic_prefix=f"restored_{uuid.uuid4().hex[:12]}."
    )
    ensure_topics(kafka)
    images = render()
    with own_postgres() as postgres:
        migrate(postgres.url)
        site = AlertSite(kafka, postgres.url, choose_port(None, taken=set()), tmp_path)
        night = Night(site)
        try:
            with running(site):
                night.send(images[:N_BEFORE])
                n_at_backup = len(night.wait(N_BEFORE))
                backup_s = time.time()
                postgres.take_base_backup()  # as of its end: nothing may come meanwhile
                night.send(images[N_BEFORE:])
                before = night.wait(N_IMAGES)
            assert 0 < n_at_backup < len(before)
            postgres.restore()
            assert night.outcomes() == {"processed": N_BEFORE}
            rewind_alert(site, backup_s - 60)
            with running(site):
                assert night.wait(N_IMAGES) == before
                assert night.outcomes() == {"processed": N_IMAGES}
                topic = site.topics.alerts_voevent
                wait_until(lambda: set(site.ivorns(topic)) == before, what="alerts on Kafka")
        finally:
            for each in site.services:
                each.kill()

"""Which images Kafka has now: the offsets of each partition of the topic of images."""

import asyncio
import time
from dataclasses import dataclass

import orjson

from runtime.errors import FatalError, TransientError
from runtime.kafka import MessageFetcher, fetch_cluster_id
from runtime.logging import get_logger
from runtime.settings import KafkaSettings
from schemas.topics import Topics

__all__ = ["PixelLinks", "Retention"]

_AGE_S = 2.0
# Others wait for nothing while the broker is away.
_RETRY_S = 10.0
_CONNECT_S = 2.0
_VIEW = "obscore"


@dataclass(frozen=True, slots=True)
class PixelLinks:
    """What links to pixels are made of.

    Parameters
    ----------
    base_url : str
        Address of this server: links begin with it.
    retained : str
        Images that have links: setting ``livetrap.retained``.
    has_archive : bool
        Whether those of the archive have links, too: setting ``livetrap.archive``.
    """

    base_url: str
    retained: str = "[]"
    has_archive: bool = False


class Retention:
    """Asks Kafka which images it has; an answer holds for two seconds.

    Parameters
    ----------
    kafka : KafkaSettings
        Where the broker is.
    has_archive : bool
        Whether images may be read from the archive.
    """

    def __init__(self, kafka: KafkaSettings, *, has_archive: bool = False) -> None:
        self._has_archive = has_archive
        self._kafka = kafka
        self._topic = Topics(kafka.topic_prefix).images
        self._fetcher = MessageFetcher(kafka, group="livetrap-api-retention")
        self._lock = asyncio.Lock()
        self._answer = "[]"
        self._valid_until_s = 0.0

    async def links(self, base_url: str, sql: str) -> PixelLinks:
        """Return what links are made of; Kafka is asked if a statement may have links.

        Parameters
        ----------
        base_url : str
            Address of this server.
        sql : str
            The statement.
        """
        retained = await self._describe() if _VIEW in sql else "[]"
        return PixelLinks(base_url, retained, has_archive=self._has_archive)

    async def _describe(self) -> str:
        """Return what Kafka has; nothing if it does not answer."""
        async with self._lock:
            if time.monotonic() >= self._valid_until_s:
                try:
                    self._answer, age_s = await asyncio.to_thread(self._ask), _AGE_S
                except (TransientError, FatalError) as error:
                    get_logger().warning("retained_images_unknown", error=str(error))
                    self._answer, age_s = "[]", _RETRY_S
                self._valid_until_s = time.monotonic() + age_s
            return self._answer

    def _ask(self) -> str:
        cluster_id = fetch_cluster_id(self._kafka, timeout_s=_CONNECT_S)
        offsets = self._fetcher.fetch_offsets(self._topic)
        rows = [
            {
                "kafka_cluster_id": cluster_id,
                "kafka_topic": self._topic,
                "kafka_partition": partition,
                "first_offset": first,
                "next_offset": behind,
            }
            for partition, (first, behind) in offsets.items()
        ]
        return orjson.dumps(rows).decode()

    async def aclose(self) -> None:
        """Close the connection to Kafka, if there is one."""
        async with self._lock:
            await asyncio.to_thread(self._fetcher.close)

"""Whether the broker at an address is still the one that offsets and topics belong to."""

import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from runtime.errors import FatalError
from runtime.kafka.connection import common_config
from runtime.settings import KafkaSettings
from schemas.topics import Topics

__all__ = ["ClusterCheck", "check_cluster_id"]

# No broker ends and another takes its port in less.
_INTERVAL_S = 1.0
_ANSWER_S = 1.0
_SILENT_S = 10.0


def check_cluster_id(settings: KafkaSettings, found: str | None) -> None:
    """Refuse a cluster that is not the one of the settings.

    Raises
    ------
    FatalError
        If the settings name another one.
    """
    if settings.cluster_id and found and found != settings.cluster_id:
        raise FatalError(
            f"Kafka at {settings.bootstrap_servers} is cluster {found}, not "
            f"{settings.cluster_id}: another installation has taken the port. Stop one of them "
            "and start the other on ports of its own, or correct LIVETRAP_KAFKA__CLUSTER_ID and "
            "LIVETRAP_KAFKA__BOOTSTRAP_SERVERS"
        )


class ClusterCheck:
    """Asks now and then which cluster answers at the address; the first one is the right one.

    It has a connection of its own: on the one of a consumer the broker answers after the fetch
    that waits there for messages, up to half a second.

    Parameters
    ----------
    settings : KafkaSettings
        Where the broker is, and which one, if that is known.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._topic = Topics(settings.topic_prefix).images
        self._next_s = 0.0
        self._client: AdminClient | None = None
        self._answers_since_s: float | None = None
        self._silent_since_s: float | None = None

    @property
    def answers_since_s(self) -> float | None:
        """Return since when the broker has answered; None: it did not when it was asked last."""
        return self._answers_since_s

    @property
    def client(self) -> AdminClient:
        """Return what asks on that connection, also about other things."""
        if self._client is None:  # log_level 0: the consumer logs what there is to say
            self._client = AdminClient(common_config(self._settings) | {"log_level": 0})
        return self._client

    def renew(self) -> None:
        """Ask with a new client from now on."""
        self._client = None

    @property
    def is_due(self) -> bool:
        """Return whether the last answer is old, so that `check` asks."""
        return time.monotonic() >= self._next_s

    def check(self) -> None:
        """Ask again if the last answer is old; a broker that is away is no other one.

        Raises
        ------
        FatalError
            If the broker belongs to another cluster.
        """
        if not self.is_due:
            return
        try:
            # One topic: a shared broker may have thousands.
            found = self.client.list_topics(self._topic, timeout=_ANSWER_S).cluster_id
        except KafkaException:
            found = None
        self._next_s = time.monotonic() + _INTERVAL_S
        self._note(is_answered=found is not None)
        check_cluster_id(self._settings, found)
        if found and not self._settings.cluster_id:
            self._settings = self._settings.model_copy(update={"cluster_id": found})

    def _note(self, *, is_answered: bool) -> None:
        """Note an answer, or its absence; a client that is silent for long is replaced."""
        now_s = time.monotonic()
        if is_answered:
            self._silent_since_s = None
            self._answers_since_s = self._answers_since_s or now_s
            return
        self._answers_since_s = None
        self._silent_since_s = self._silent_since_s or now_s
        if now_s - self._silent_since_s >= _SILENT_S:
            # It may have lost its brokers for good (`runtime.kafka.membership`).
            self.renew()
            self._silent_since_s = now_s

"""The Kafka topic of one subscription."""

import uuid

import orjson
from confluent_kafka import Producer

from runtime.errors import FatalError, TransientError
from runtime.kafka import OutMessage, ensure_alert_topic, produce_and_wait
from runtime.settings import KafkaSettings
from runtime.threads import run_in_thread
from services.distribute.errors import DeliveryError
from services.distribute.models import OutgoingAlert

__all__ = ["AlertTopic"]


class AlertTopic:
    """Sends notices to a topic of its own, which is created with the first.

    Parameters
    ----------
    settings : KafkaSettings
        Where Kafka is.
    topic : str
        Its name, with the prefix of the installation.
    producer : Producer
        Client of the service.
    """

    def __init__(self, settings: KafkaSettings, topic: str, producer: Producer) -> None:
        self._settings = settings
        self._topic = topic
        self._producer = producer
        self._is_there = False

    async def deliver(self, alerts: list[OutgoingAlert]) -> list[OutgoingAlert]:
        """Send all of them in their order; return them.

        Raises
        ------
        DeliveryError
            If Kafka did not take them.
        """
        try:
            await run_in_thread(lambda: self._send(alerts))
        except (TransientError, FatalError) as error:
            raise DeliveryError(str(error)) from error
        return alerts

    def _send(self, alerts: list[OutgoingAlert]) -> None:
        if not self._is_there:
            ensure_alert_topic(self._settings, self._topic)
            self._is_there = True
        try:
            produce_and_wait(self._producer, [self._to_message(alert) for alert in alerts])
        except TransientError:
            self._is_there = False  # somebody may have deleted it
            raise

    def _to_message(self, alert: OutgoingAlert) -> OutMessage:
        notice = orjson.loads(alert.notice)
        headers: dict[str, str | bytes] = {
            "_format": "json",
            "_id": uuid.uuid5(uuid.NAMESPACE_URL, alert.ivorn).bytes,
            "ivorn": alert.ivorn,
        }
        if notice["role"] == "test":
            headers["_test"] = "true"
        return OutMessage(self._topic, str(notice["id"]).encode(), alert.notice, headers)

"""A worker: a service that turns messages into messages, from its start to its end."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from runtime.attempts import AttemptLog, state_dir
from runtime.health import Health, Probe
from runtime.in_flight import MessageLimits
from runtime.kafka import (
    InMessage,
    KafkaProbe,
    MessageFetcher,
    create_consumer,
    create_producer,
    fetch_cluster_id,
)
from runtime.metrics import serve_metrics
from runtime.process import MessageHandler, run_worker
from runtime.retry import RetryPolicy
from runtime.settings import WorkerSettings
from runtime.stop_flag import StopFlag
from schemas.topics import Topics

__all__ = ["Worker"]

# Each answer without a message costs this process and the broker.
_FETCH_WAIT_MS = 500


class Worker:
    """What a worker has before its handlers are made; it waits for Kafka.

    Parameters
    ----------
    settings : WorkerSettings
        Kafka and the metrics, which are served from here on.
    stop : StopFlag
        Ends the wait and the service.
    group : str
        Its consumer group.
    probes : sequence of callable
        What its health depends on beside Kafka.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        stop: StopFlag,
        *,
        group: str,
        probes: Sequence[Probe] = (),
    ) -> None:
        self._settings, self._stop, self._group = settings, stop, group
        self._health = Health(
            stop,
            stall_s=settings.metrics.stall_s,
            probes=[KafkaProbe(settings.kafka).check, *probes],
        )
        serve_metrics(settings.metrics, self._health)
        self.retry = RetryPolicy(stop)
        self.cluster_id = self.retry.retry_until_success(partial(fetch_cluster_id, settings.kafka))
        self.topics = Topics(settings.kafka.topic_prefix)
        self.attempts = AttemptLog(state_dir(), group=settings.kafka.topic_prefix + group)
        self._fetcher = MessageFetcher(settings.kafka, group=f"{group}-again")

    def fetch(self, topic: str, partition: int, offset: int) -> InMessage | None:
        """Return a message again, None if Kafka has it no longer.

        The time that it takes is not one of the message in work.
        """
        with self.attempts.paused():
            return self._fetcher.fetch(topic, partition, offset)

    def run(
        self,
        handlers: Mapping[str, MessageHandler],
        *,
        timeout_s: float,
        when_idle: Callable[[], None] = lambda: None,
    ) -> None:
        """Handle messages until the stop flag is set, as `run_worker` does.

        Parameters
        ----------
        handlers : mapping of str to MessageHandler
            Handler of each topic.
        timeout_s : float
            Longest time for a message [s].
        when_idle : callable
            Called while no message comes.
        """
        run_worker(
            consumer=create_consumer(
                self._settings.kafka, group=self._group, fetch_wait_ms=_FETCH_WAIT_MS
            ),
            producer=create_producer(self._settings.kafka),
            handlers=handlers,
            stop=self._stop,
            settings=self._settings,
            health=self._health,
            attempts=self.attempts,
            limits=MessageLimits(timeout_s=timeout_s),
            when_idle=when_idle,
        )
        self._fetcher.close()

"""A simulated observation on Kafka, at the cadence of the telescope."""

import dataclasses
import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from confluent_kafka import KafkaError, Producer

from livetrap.simulator.config import SimulatorConfig
from livetrap.simulator.image import ImageRenderer, SimulatedImage, utc_isot
from livetrap.simulator.truth import TruthTable, format_truth
from runtime.errors import TransientError
from runtime.kafka import OutMessage, create_producer, send
from runtime.settings import KafkaSettings
from schemas.topics import Topics, image_message_key

__all__ = ["stream_to_kafka"]

_MAX_UNACKNOWLEDGED = 32
_FLUSH_TIMEOUT_S = 30.0


def stream_to_kafka(
    config: SimulatorConfig,
    *,
    bootstrap_servers: str,
    truth_path: Path | None = None,
    cadence_s: float | None = None,
    stop: threading.Event | None = None,
    topic_prefix: str = "",
    kafka: KafkaSettings | None = None,
    on_image: Callable[[SimulatedImage], None] | None = None,
) -> int:
    """Publish the images on ``images-v1`` as a telescope would, until the end or `stop`.

    All bands of a timestep are sent when their exposure ends, so that the latency from exposure
    end to alert can be measured. Timesteps are at fixed times; a slow run falls behind them.

    Parameters
    ----------
    config : SimulatorConfig
        The observation; its `start_time` is ignored, the first exposure ends now.
    bootstrap_servers : str
        Brokers as HOST:PORT,...
    truth_path : Path or None
        File for the list of true sources; an endless run appends to it every 100 timesteps.
    cadence_s : float or None
        Wall time from one timestep to the next; 0: as fast as possible, None: that of the
        observation [s].
    stop : threading.Event or None
        Set it to end the run after the current timestep.
    topic_prefix : str
        Prefix of the topic's name.
    kafka : KafkaSettings or None
        Other settings of the connection, such as security; `bootstrap_servers` and
        `topic_prefix` override them.
    on_image : callable or None
        Called for every image that was sent.

    Returns
    -------
    int
        Images acknowledged by the broker.

    Raises
    ------
    TransientError
        If the broker did not accept an image.
    SettingsError
        If so many sources do not fit into the image.
    """
    wall_s = config.cadence_s if cadence_s is None else cadence_s
    start_time = datetime.now(UTC) - timedelta(seconds=config.cadence_s)
    live = dataclasses.replace(config, start_time=start_time)
    settings = (kafka or KafkaSettings()).model_copy(
        update={"bootstrap_servers": bootstrap_servers, "topic_prefix": topic_prefix}
    )
    stop = stop or threading.Event()
    writer = _TruthWriter(live, truth_path)
    publisher = _Publisher(
        create_producer(settings), Topics(topic_prefix).images, live.stream,
        n_bands=len(live.bands_hz),
    )  # fmt: skip
    renderer = ImageRenderer(live)
    started_s = time.monotonic()
    for timestep in range(live.images) if live.images else itertools.count():
        writer.write_until(timestep)
        images = [renderer.render(timestep, band) for band in range(len(live.bands_hz))]
        if stop.wait(max(0.0, started_s + timestep * wall_s - time.monotonic())):
            break
        for image in images:
            publisher.publish(image)
            if on_image is not None:
                on_image(image)
    return publisher.finish()


class _Publisher:
    """Sends images to Kafka and counts the acknowledgements."""

    def __init__(self, producer: Producer, topic: str, stream: str, *, n_bands: int) -> None:
        self._producer = producer
        self._topic = topic
        self._stream = stream
        self._n_bands = n_bands
        self._n_sent = 0
        self._n_acknowledged = 0
        self._failure: KafkaError | None = None

    def publish(self, image: SimulatedImage) -> None:
        while self._n_sent - self._n_acknowledged >= _MAX_UNACKNOWLEDGED:
            self._raise_failure()
            self._producer.poll(0.1)
        send(self._producer, self._message(image), self._on_done)
        self._n_sent += 1
        self._raise_failure()

    def finish(self) -> int:
        self._producer.flush(_FLUSH_TIMEOUT_S)
        self._raise_failure()
        n_missing = self._n_sent - self._n_acknowledged
        if n_missing:
            raise TransientError(
                f"Kafka did not acknowledge {n_missing} of {self._n_sent} images "
                f"within {_FLUSH_TIMEOUT_S:.0f} s; is the broker up?"
            )
        return self._n_acknowledged

    def _message(self, image: SimulatedImage) -> OutMessage:
        digest = image.sha256
        return OutMessage(
            topic=self._topic,
            key=image_message_key(self._stream, image.freq_eff_hz).encode(),
            value=image.data,
            headers={
                "stream": self._stream,
                "image-id": digest,
                "sha256": digest,
                "content-type": "application/fits",
                "n-bands": str(self._n_bands),
                "t-sent": utc_isot(datetime.now(UTC)) + "Z",
            },
        )

    def _on_done(self, error: KafkaError | None) -> None:
        if error is None:
            self._n_acknowledged += 1
        else:
            self._failure = self._failure or error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise TransientError(f"Kafka did not accept an image: {self._failure}")


class _TruthWriter:
    """Writes the true sources before their images, block by block."""

    def __init__(self, config: SimulatorConfig, path: Path | None) -> None:
        self._config = config
        self._path = path
        self._table = TruthTable(config)
        self._next_block = 0

    def write_until(self, timestep: int) -> None:
        block = timestep // self._config.block_timesteps
        if self._path is None or block < self._next_block:
            return
        rows = self._table.transients(block)
        if self._next_block == 0:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            rows = [*self._table.persistent(), *rows]
        mode = "w" if self._next_block == 0 else "a"
        with self._path.open(mode, encoding="utf-8") as file:
            file.write(format_truth(self._config, rows, header=mode == "w"))
        self._next_block = block + 1

"""A telescope that never gives up: the same simulated images for every run, at a given pace."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from confluent_kafka import KafkaError, Message, Producer

from livetrap.simulator import SimulatedImage, SimulatorConfig, lofar_bands_hz
from livetrap.simulator.image import ImageRenderer, utc_isot
from schemas.topics import Topics, image_message_key

__all__ = ["Feed", "FeedPlan"]


# Sources that leave room for transients.
_CROWDED = {"n_steady": 4, "n_variable": 4, "n_faint": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPlan:
    """What the telescopes see; equal plans give equal bytes."""

    n_streams: int = 4
    n_bands: int = 2
    size_px: int = 128
    n_timesteps: int = 60
    seed: int = 1
    # After so many timesteps the pixels come again, with other dates: cheap to send fast.
    period: int | None = None
    # In each stream; None: few, by the size of an image.
    n_transients: int | None = None
    # Likewise.
    n_steady: int | None = None

    @property
    def n_images(self) -> int:
        return self.n_streams * self.n_bands * self.n_timesteps

    def configs(self) -> list[SimulatorConfig]:
        """Return one observation a stream, each with a sky of its own."""
        crowded = {} if self.n_transients is None else _CROWDED
        steady = {} if self.n_steady is None else {"n_steady": self.n_steady}
        return [
            SimulatorConfig(
                **(crowded | steady),
                n_transient=self.n_transients,
                images=self.period or self.n_timesteps,
                size=self.size_px,
                bands_hz=lofar_bands_hz(self.n_bands),
                seed=1000 * self.seed + number,
                stream=f"night-{number}",
            )
            for number in range(self.n_streams)
        ]


@dataclass
class Feed:
    """Sends the images of a plan; what the broker refuses or loses is sent again.

    One message is in flight at a time: a repeated send keeps the order of the images.
    """

    plan: FeedPlan
    bootstrap_servers: str
    n_acknowledged: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "acks": "all",
                "max.in.flight.requests.per.connection": 1,
                "message.timeout.ms": 0,
                "reconnect.backoff.max.ms": 1000,
                "message.max.bytes": 100_000_000,
                "queue.buffering.max.kbytes": 2_000_000,
                "linger.ms": 0,
                "log_level": 0,
            }
        )
        self._observations = [(each, ImageRenderer(each)) for each in self.plan.configs()]
        self._rendered: dict[tuple[str, int, int], SimulatedImage] = {}

    def render(self) -> None:
        """Render the images that come again: from the first one on they are then sent in time."""
        if self.plan.period is not None:
            for _ in self._images(0, min(self.plan.period, self.plan.n_timesteps)):
                pass

    def send(
        self,
        first: int,
        last: int,
        *,
        images_per_s: float | None,
        on_sent: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Send the timesteps from `first` until before `last`; return when Kafka has them all.

        `images_per_s` None: as fast as Kafka takes them, with at most a hundred on the way.
        """
        started_s = time.monotonic()
        for number, (stream, image) in enumerate(self._images(first, last)):
            if self.stop.is_set():
                break
            self._wait(started_s, number, images_per_s)
            self._produce(stream, image)
            on_sent(number + 1)
        while len(self._producer) and not self.stop.is_set():
            self._producer.flush(1.0)

    def _images(self, first: int, last: int) -> Iterator[tuple[str, SimulatedImage]]:
        for timestep in range(first, last):
            for band in range(self.plan.n_bands):
                for config, renderer in self._observations:
                    yield config.stream, self._render(config, renderer, timestep, band)

    def _render(
        self, config: SimulatorConfig, renderer: ImageRenderer, timestep: int, band: int
    ) -> SimulatedImage:
        if self.plan.period is None:
            return renderer.render(timestep, band)
        key = (config.stream, timestep % self.plan.period, band)
        if key not in self._rendered:
            self._rendered[key] = renderer.render(key[1], band)
        like = self._rendered[key]
        time_start = config.time_start(timestep)
        old, new = (utc_isot(each).encode() for each in (like.time_start, time_start))
        return replace(like, data=like.data.replace(old, new, 1), time_start=time_start)

    def _wait(self, started_s: float, number: int, images_per_s: float | None) -> None:
        if images_per_s is None:
            while len(self._producer) > 100:
                self._producer.poll(0.1)
            return
        while (wait_s := started_s + number / images_per_s - time.monotonic()) > 0:
            self._producer.poll(min(wait_s, 0.1))
        self._producer.poll(0)

    def _produce(self, stream: str, image: SimulatedImage) -> None:
        key = image_message_key(stream, image.freq_eff_hz).encode()
        headers = {"stream": stream, "t-sent": f"{utc_isot(datetime.now(UTC))}Z"}

        def on_delivery(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                self.n_acknowledged += 1
            else:
                self._produce(stream, image)

        self._producer.produce(
            Topics().images, image.data, key=key, headers=headers, on_delivery=on_delivery
        )

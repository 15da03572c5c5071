"""A burst in a stream of images, its stamps asked for and cut, as the services do it."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.wcs import WCS
from scipy.ndimage import gaussian_filter

from runtime.kafka import (
    InMessage,
    MessageFetcher,
    OutMessage,
    create_producer,
    ensure_topics,
    produce_and_locate,
)
from runtime.settings import ExtractSettings, IngestSettings, KafkaSettings
from schemas.codec import encode_stamp_request
from schemas.messages import StampRequest
from schemas.topics import Topics
from services.associate.handlers.stamps import StampHandler
from services.associate.storage import CatalogueStore
from services.extract.handlers.stamps import StampHandler as ExtractHandler
from services.extract.steps.image_message import read_message
from services.extract.steps.images_again import ImagesAgain
from services.extract.steps.measurement import ImageMeasurer
from services.extract.steps.stamps import StampCutter
from tests.support.association import Associator, associator
from tests.support.fits_images import CARDS, make

__all__ = ["BURST_JY", "BURST_PX", "NOISE_JY", "StampCase", "burst_at", "stamp_case"]

SIDE_PX = 160
NOISE_JY, BURST_JY = 1e-3, 0.2
# x, y from 0: not in the middle of a pixel.
BURST_PX = (90.3, 70.8)
_STEADY_PX = ((40.0, 50.0), (120.0, 30.0), (60.0, 120.0), (110.0, 118.0))
# FWHM of 5 px: the beam of `CARDS`, nearly.
_SIGMA_PX = 4.5 / 2.3548
_PLACE: dict[str, Any] = {"CRVAL1": 0.05, "CRVAL2": 60.0, "CRPIX1": 80.0, "CRPIX2": 80.0}


def burst_at() -> tuple[float, float]:
    """Return where the burst is [deg], as astropy has it."""
    header = fits.Header(list({**CARDS, **_PLACE}.items()))
    sky = WCS(header, naxis=2).pixel_to_world(*BURST_PX)
    return float(sky.ra.deg), float(sky.dec.deg)


def sky_image(step: int, *, has_burst: bool) -> bytes:
    """Return the FITS file of a step of ten seconds."""
    rng = np.random.default_rng(step)
    noise = gaussian_filter(rng.normal(size=(SIDE_PX, SIDE_PX)), _SIGMA_PX)
    pixels = noise / noise.std() * NOISE_JY
    for x, y in _STEADY_PX:
        pixels += _beam(x, y, 0.1)
    if has_burst:
        pixels += _beam(*BURST_PX, BURST_JY)
    date = f"2026-01-01T00:0{step // 6}:{step % 6}0"
    return make(pixels.astype(np.float32), **(_PLACE | {"DATE-OBS": date}))


def _beam(x: float, y: float, flux_jy: float) -> npt.NDArray[np.float64]:
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX]
    radius2 = (columns - x) ** 2 + (rows - y) ** 2
    return np.asarray(flux_jy * np.exp(-radius2 / (2 * _SIGMA_PX**2)))


@dataclass
class StampCase:
    """An associator and an extractor with Kafka between images and stamps."""

    case: Associator
    handler: StampHandler
    kafka: KafkaSettings
    cluster_id: str = "cluster"

    async def send(self, step: int, *, has_burst: bool = False) -> None:
        """Publish an image, measure it, and give its record to the associator."""
        data = sky_image(step, has_burst=has_burst)
        topic = Topics(self.kafka.topic_prefix).images
        headers = {"stream": self.case.stream}
        out = OutMessage(topic, f"{self.case.stream}:b".encode(), data, headers)
        partition, offset = produce_and_locate(create_producer(self.kafka), out)
        message = InMessage(topic, partition, offset, out.key, data, headers)
        measurer = ImageMeasurer(ExtractSettings(), IngestSettings())
        await self.case.feed(measurer.measure(read_message(message, self.cluster_id)))

    async def ask(self) -> list[StampRequest]:
        """Return what is asked for now."""
        self.case.stamp_requests.clear()
        if await self.handler.ask(is_idle=True, is_awake=True):
            self.case.handler.outbox.expect()
            await self.case.settle()
        return list(self.case.stamp_requests)

    def cut(self, request: StampRequest) -> InMessage:
        """Return the answer of an extractor that has no image in memory."""
        topics = Topics(self.kafka.topic_prefix)
        fetcher = MessageFetcher(self.kafka, group="test-stamps")
        again = ImagesAgain(fetcher.fetch, topics.images, self.cluster_id)
        cutter = StampCutter(ImageMeasurer(ExtractSettings(), IngestSettings()), again, side_px=65)
        asked = InMessage("stamp-requests-v1", 0, 0, b"", encode_stamp_request(request))
        (out,) = ExtractHandler(cutter, topics).on_request(asked) or ()
        fetcher.close()
        return InMessage(out.topic, 0, 0, out.key, out.value)


@asynccontextmanager
async def stamp_case(postgres_url: str, kafka_bootstrap: str) -> AsyncIterator[StampCase]:
    """Start an associator with a topic of images of its own."""
    kafka = KafkaSettings(
        bootstrap_servers=kafka_bootstrap, topic_prefix=f"{uuid.uuid4().hex}.", partitions=1
    )
    ensure_topics(kafka)
    async with associator(postgres_url) as case:
        handler = StampHandler(CatalogueStore(case.pool), case.settings.associate, Topics())
        yield StampCase(case, handler, kafka)

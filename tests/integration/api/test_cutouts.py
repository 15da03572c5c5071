"""Cutouts over REST: pixels while Kafka has them, and words when it has not."""

import gzip
import io
import struct
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np
from astropy.io import fits

from runtime.kafka import (
    OutMessage,
    create_producer,
    ensure_topics,
    fetch_cluster_id,
    produce_and_locate,
)
from runtime.settings import KafkaSettings
from schemas.identity import digest_image
from schemas.topics import Topics
from sky.fits import parse_fits
from sky.fits_containers import open_fits
from sky.fits_pixels import decode_pixels
from sky.header.celestial import to_wcs_header
from tests.integration.runtime.test_retention import delete_records
from tests.support.api_rows import Rows, rows_of
from tests.support.api_service import client_of
from tests.support.fits_images import make

# Two that are there, four that are not, and one that is deleted.
N_SENT = 7


async def stored(rows: Rows, kafka: KafkaSettings, data: bytes, **values: Any) -> str:
    """Publish an image, and insert its row as the associator does."""
    topic = Topics(kafka.topic_prefix).images
    cards = {"OBJECT": "Cyg A"}
    message = OutMessage(topic, "a:1", data, {"fits:OBJECT": "Cyg A"})
    _, offset = produce_and_locate(create_producer(kafka), message)
    row = {
        "image_id": digest_image(data, cards).image_id,
        "wcs_header": to_wcs_header(open_fits(data, cards, max_bytes=1 << 30)[1].header),
        "kafka_cluster_id": fetch_cluster_id(kafka),
        "kafka_topic": topic,
        "kafka_partition": 0,
        "kafka_offset": offset,
        "beam_major_deg": 0.05,
        "beam_minor_deg": 0.04,
        "beam_pa_deg": 10.0,
        "rms_jy_beam": 0.1,
    }
    return f"/api/v1/images/{await rows.image(0, **(row | values))}/cutout"


async def refused(client: httpx.AsyncClient, address: str, status: int, **asked: Any) -> str:
    answer = await client.get(address, params=asked)
    assert answer.status_code == status, answer.text
    return str(answer.json()["detail"])


async def test_pixels_are_cut_while_kafka_has_them(
    postgres_url: str, kafka_bootstrap: str
) -> None:
    kafka = KafkaSettings(
        bootstrap_servers=kafka_bootstrap, topic_prefix=f"{uuid.uuid4().hex}.", partitions=1
    )
    ensure_topics(kafka)
    data = make()
    pixels = decode_pixels(data, parse_fits(data, {}))
    header = parse_fits(data, {}).header
    centre = {"ra": header["CRVAL1"], "dec": header["CRVAL2"]}
    x, y = round(header["CRPIX1"]) - 1, round(header["CRPIX2"]) - 1
    async with rows_of(postgres_url) as rows, client_of(postgres_url, kafka) as client:
        address = await stored(rows, kafka, data)
        answer = await client.get(address, params={**centre, "format": "fits"})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/fits"
        with fits.open(io.BytesIO(answer.content)) as hdus:
            cutout, head = hdus[0].data, hdus[0].header
            half = cutout.shape[0] // 2
            assert np.isclose(cutout[half, half], pixels[y, x])
            assert np.isclose(head["CRPIX1"], header["CRPIX1"] - (x - half))
            assert (head["BMAJ"], head["TIMESYS"]) == (0.05, "UTC")
        picture = await client.get(address, params=centre)
        assert picture.headers["content-type"] == "image/png"
        assert struct.unpack(">II", picture.content[16:24]) == cutout.shape[::-1]
        tag = {"If-None-Match": picture.headers["etag"]}
        assert (await client.get(address, params=centre, headers=tag)).status_code == 304
        opposite = {"ra": (centre["ra"] + 180) % 360, "dec": -centre["dec"]}
        assert "outside" in await refused(client, address, 400, **opposite)
        assert "at most 1025" in await refused(client, address, 400, **centre, size_arcmin=10_800)
        packed = gzip.compress(make(BUNIT="mJy/beam"))
        answer = await client.get(
            await stored(rows, kafka, packed), params={**centre, "format": "fits"}
        )
        with fits.open(io.BytesIO(answer.content)) as hdus:
            assert hdus[0].header["BUNIT"] == "Jy/beam"
            assert np.isclose(hdus[0].data[half, half], pixels[y, x] / 1000)
        await check_what_is_gone(rows, client, kafka, centre)


async def check_what_is_gone(
    rows: Rows, client: httpx.AsyncClient, kafka: KafkaSettings, centre: dict[str, float]
) -> None:
    """Check the words for each way in which pixels are not there."""
    other = make(OBJECT="other")
    for values, words in (
        ({"kafka_cluster_id": "x"}, "another Kafka cluster"),
        ({"kafka_offset": 0}, "another image"),
        ({"kafka_topic": "nothing"}, "deleted"),
        ({"verdict": "rejected"}, "rejected"),
    ):
        identity = {"image_id": uuid.uuid4().hex * 2}
        address = await stored(rows, kafka, other, **(identity | values))
        assert words in await refused(client, address, 404, **centre)
    address = await stored(rows, kafka, other)
    topic = Topics(kafka.topic_prefix).images
    delete_records(kafka.bootstrap_servers, topic, N_SENT)
    detail = await refused(client, address, 404, **centre)
    assert "deleted" in detail
    assert "appended at" in detail
    assert "it holds" not in detail
    await stored(rows, kafka, other, image_id=uuid.uuid4().hex * 2)
    detail = await refused(client, address, 404, **centre)
    assert f"it holds what was appended since {datetime.now(UTC):%Y-}" in detail
    assert "no stored stamp shows the place" in detail
    assert "no image" in await refused(client, "/api/v1/images/999999999/cutout", 404, **centre)

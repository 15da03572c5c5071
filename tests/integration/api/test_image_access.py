"""SIA, DataLink and SODA: images that Kafka has, and the truth about those that are gone."""

import asyncio
import io
import uuid
from typing import Any

import httpx
import numpy as np
import pytest
from astropy.io import fits
from astropy.io.votable import parse_single_table

from runtime.kafka import ensure_topics
from runtime.settings import KafkaSettings
from schemas.identity import digest_image
from schemas.topics import Topics
from sky.fits import parse_fits
from sky.fits_pixels import decode_pixels
from tests.integration.api.test_cutouts import stored
from tests.integration.runtime.test_retention import delete_records
from tests.support.api_rows import Rows, rows_of
from tests.support.api_service import client_of
from tests.support.fits_images import make
from tests.support.pyvo_session import pyvo_session
from tests.support.served_api import served

_SIA, _SODA, _LINKS = "/vo/sia", "/vo/soda/sync", "/vo/datalink"
_PUBLISHER = "ivo://org.livetrap/image?"


def kafka_of(bootstrap: str) -> KafkaSettings:
    kafka = KafkaSettings(
        bootstrap_servers=bootstrap, topic_prefix=f"{uuid.uuid4().hex}.", partitions=1
    )
    ensure_topics(kafka)
    return kafka


async def store(rows: Rows, kafka: KafkaSettings, **values: Any) -> tuple[bytes, str]:
    """Publish an image of a field at its reference position; return it and its identity."""
    data = make()
    header = parse_fits(data, {}).header
    field = {
        "field_ra": header["CRVAL1"], "field_dec": header["CRVAL2"], "field_radius_deg": 0.2,
        "width_px": header["NAXIS1"], "height_px": header["NAXIS2"],
    }  # fmt: skip
    await stored(rows, kafka, data, **(field | values))
    return data, digest_image(data, {"OBJECT": "Cyg A"}).image_id


def rows_in(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return parse_single_table(io.BytesIO(answer.content)).to_table()


async def test_pixels_are_found_linked_and_cut_until_they_are_deleted(
    postgres_url: str, kafka_bootstrap: str
) -> None:
    kafka = kafka_of(kafka_bootstrap)
    async with rows_of(postgres_url) as rows, client_of(postgres_url, kafka) as client:
        data, image_id = await store(rows, kafka)
        of_stream = {"COLLECTION": rows.stream}
        (found,) = rows_in(await client.get(_SIA, params=of_stream))
        assert found["access_url"] == f"http://api{_SODA}?ID={image_id}"
        assert (await client.get(found["access_url"])).content == data
        await check_cuts(client, data, image_id)
        links = rows_in(await client.get(_LINKS, params={"ID": found["obs_publisher_did"]}))
        assert links["semantics"].tolist() == ["#this", "#cutout", "#derivation", "#noise"]
        assert links["access_url"][0] == found["access_url"]
        delete_records(kafka.bootstrap_servers, Topics(kafka.topic_prefix).images, 1)
    # Another process: this one may know for two seconds what was.
    async with client_of(postgres_url, kafka) as client:
        (gone,) = rows_in(await client.get(_SIA, params=of_stream))
        assert not gone["access_url"]
        links = rows_in(await client.get(_LINKS, params={"ID": image_id}))
        assert "retained no longer" in links["error_message"][0]
        answer = await client.get(_SODA, params={"ID": image_id})
        assert answer.status_code == 404
        assert answer.text.startswith("NotFoundFault: the pixels of image")


async def check_cuts(client: httpx.AsyncClient, data: bytes, image_id: str) -> None:
    pixels, header = decode_pixels(data, parse_fits(data, {})), parse_fits(data, {}).header
    ra, dec, step = header["CRVAL1"], header["CRVAL2"], abs(header["CDELT2"])
    x, y = round(header["CRPIX1"]) - 1, round(header["CRPIX2"]) - 1
    for region in (
        {"CIRCLE": f"{ra} {dec} {5 * step}"},
        {"POS": f"CIRCLE {ra} {dec} {5 * step}"},
    ):
        answer = await client.get(_SODA, params={"ID": _PUBLISHER + image_id} | region)
        assert answer.headers["content-type"] == "application/fits", answer.text
        with fits.open(io.BytesIO(answer.content)) as hdus:
            assert hdus[0].data.shape == (11, 11)
            assert np.array_equal(hdus[0].data, pixels[y - 5 : y + 6, x - 5 : x + 6])
            assert np.isclose(hdus[0].header["CRPIX1"], header["CRPIX1"] - (x - 5))
    elsewhere = {"ID": image_id, "CIRCLE": f"{(ra + 180) % 360} {-dec} 0.1"}
    assert (await client.get(_SODA, params=elsewhere)).status_code == 204
    for nothing in ({"BAND": "1e-7 2e-7"}, {"TIME": "-Inf 40000"}, {"POL": "V"}):
        answer = await client.post(_SODA, data={"ID": image_id, **nothing})
        assert answer.status_code == 204, nothing


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "UsageFault: ID: write"),
        ({"ID": "x"}, "UsageFault: ID: write"),
        ({"ID": ["a" * 64, "b" * 64]}, "given 2 times"),
        ({"ID": "a" * 64, "CIRCLE": "1 2"}, "CIRCLE: CIRCLE has 3 numbers"),
        ({"ID": "a" * 64, "CIRCLE": "1 2 3", "POS": "CIRCLE 1 2 3"}, "MultiValuedParam"),
        ({"ID": "a" * 64}, "NotFoundFault: there is no accepted image"),
    ],
)
async def test_soda_says_what_is_wrong(postgres_url: str, asked: Any, words: str) -> None:
    async with client_of(postgres_url) as client:
        answer = await client.get(_SODA, params=asked)
        assert answer.status_code in {400, 404}
        assert words in answer.text


_MEETS: list[tuple[dict[str, Any], bool]] = [
    ({"POS": "CIRCLE 0 10 0.1"}, True),
    ({"POS": "CIRCLE 358.5 10 0.4"}, False),
    ({"POS": "CIRCLE 358.5 10 0.5"}, True),
    ({"POS": ["CIRCLE 180 0 1", "CIRCLE 0 10 0.1"]}, True),
    ({"POS": "RANGE 0 360 -90 90"}, True),
    ({"POS": "RANGE 100 359.5 10 10"}, True),
    ({"POS": "RANGE 100 358.9 -90 90"}, False),
    ({"POS": "RANGE 0 10 11.05 12"}, False),
    ({"POS": "RANGE 0.5 10 10.5 12"}, True),
    # Within the latitudes of the field, but its corner is beyond the circle.
    ({"POS": "RANGE 0.8 10 10.8 12"}, False),
    ({"POS": "POLYGON 359 9 1 9 1 11 359 11"}, True),
    ({"POS": "POLYGON 0.5 9.9 5 9.9 5 10.1"}, True),
    ({"POS": "POLYGON 1.2 9.9 5 9.9 5 10.1"}, False),
    ({"POS": "POLYGON 10 -40 170 -40 90 80"}, False),
    ({"POS": "CIRCLE 0 10 1", "BAND": "1.9 2.1"}, True),
    ({"BAND": ["0.1 0.2", "1.5 +Inf"]}, True),
    ({"BAND": "0.1 0.2"}, False),
    ({"TIME": "61367.8 61368"}, True),
    ({"TIME": "-Inf 61000"}, False),
    ({"POL": ["V", "I"]}, True),
    ({"POL": "V"}, False),
    ({"EXPTIME": "10"}, True),
    ({"FOV": "3 +Inf"}, False),
    ({"SPATRES": "300 400"}, True),
    ({"CALIB": ["1", "2"]}, True),
    ({"DPTYPE": "cube"}, False),
    ({"DPTYPE": "image", "TARGET": "nothing"}, False),
    # Without a broker nothing has pixels.
    ({"FORMAT": "application/fits"}, False),
]


async def test_sia_finds_what_meets_every_parameter(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        await rows.image(
            0, width_px=100, height_px=100, field_ra=0.0, field_dec=10.0, field_radius_deg=1.0,
            beam_major_deg=0.1,
        )  # fmt: skip
        for asked, is_met in _MEETS:
            answer = await client.get(_SIA, params={"COLLECTION": rows.stream} | asked)
            assert len(rows_in(answer)) == is_met, asked
        lower = await client.post(_SIA, data={"collection": rows.stream, "maxrec": "0"})
        assert len(rows_in(lower)) == 0
        assert 'value="OVERFLOW"' in lower.text
        for asked, words in (
            ({"POS": "CIRCLE 1 2"}, "POS: CIRCLE has 3"),
            ({"BAND": "nan"}, "BAND: write a number"),
            ({"TIME": "2 1"}, "TIME: write a number"),
            ({"POS": ["CIRCLE 1 2 3"] * 51}, "at most 50"),
            ({"TARGET": "x" * 501}, "at most 500"),
            ({"MAXREC": "x"}, "MAXREC"),
            ({"RESPONSEFORMAT": "x"}, "RESPONSEFORMAT"),
        ):
            answer = await client.get(_SIA, params=asked)
            assert (answer.status_code, words in answer.text) == (400, True), asked


async def test_links_of_what_is_no_image(postgres_url: str) -> None:
    async with client_of(postgres_url) as client:
        assert len(rows_in(await client.get(_LINKS))) == 0
        (link,) = rows_in(await client.get(_LINKS, params={"ID": "0" * 64}))
        assert link["error_message"] == "NotFoundFault: no such image"
        for wrong in ({"ID": "x"}, {"ID": [f"{n:064x}" for n in range(51)]}):
            assert (await client.get(_LINKS, params=wrong)).status_code == 400


async def test_pyvo_finds_images_and_their_pixels(postgres_url: str, kafka_bootstrap: str) -> None:
    kafka = kafka_of(kafka_bootstrap)
    async with rows_of(postgres_url) as rows:
        data, _ = await store(rows, kafka)
        with served(postgres_url, kafka) as address:
            await asyncio.to_thread(_search_with_pyvo, address, rows.stream, data)


def _search_with_pyvo(address: str, stream: str, data: bytes) -> None:
    import pyvo

    header = parse_fits(data, {}).header
    ra, dec = header["CRVAL1"], header["CRVAL2"]
    with pyvo_session() as session:
        service = pyvo.dal.SIA2Service(address + _SIA, session=session)
        found = service.search(pos=(ra, dec, 0.1), collection=stream)
        assert len(found) == 1
        assert session.get(found["access_url"][0]).content == data
        links = found[0].getdatalink()
        assert [each["semantics"] for each in links] == [
            "#this", "#cutout", "#derivation", "#noise",
        ]  # fmt: skip

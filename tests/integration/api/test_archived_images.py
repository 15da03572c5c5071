"""Pixels of the archive, when Kafka has the image no longer; and the words when it has not."""

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from astropy.io import fits
from astropy.io.votable import parse_single_table

from runtime.settings import ArchiveSettings
from sky.fits import parse_fits
from tests.integration.runtime.test_retention import delete_records
from tests.support.api_rows import rows_of
from tests.support.api_service import client_of
from tests.support.archive_site import ArchiveSite, SentImage, archive_site

SIZE_ARCMIN = 10.0


@pytest.fixture
def site(kafka_bootstrap: str, postgres_url: str, tmp_path: Path) -> Iterator[ArchiveSite]:
    with archive_site(kafka_bootstrap, postgres_url, tmp_path) as made:
        yield made


def archived(site: ArchiveSite) -> tuple[SentImage, str]:
    """Archive an image; return it and the name of its file."""
    sent = site.send()
    service = site.start()
    (row,) = site.wait_for_rows(sent)
    service.kill()
    return sent, str(row["name"])


def centre_of(sent: SentImage) -> dict[str, float]:
    header = parse_fits(sent.data, {}).header
    return {"ra": header["CRVAL1"], "dec": header["CRVAL2"]}


async def insert(site: ArchiveSite, sent: SentImage) -> int:
    """Insert the row of an image as the associator does; return its key."""
    header = parse_fits(sent.data, {}).header
    values = {
        "field_ra": header["CRVAL1"], "field_dec": header["CRVAL2"], "field_radius_deg": 0.2,
        "width_px": header["NAXIS1"], "height_px": header["NAXIS2"], "beam_major_deg": 0.05,
        "beam_minor_deg": 0.04, "beam_pa_deg": 10.0, "rms_jy_beam": 0.1,
    }  # fmt: skip
    async with rows_of(site.site.postgres_url) as rows:
        return await rows.image(0, **(sent.row | values))


def client(site: ArchiveSite, *, reads_archive: bool = True) -> Any:
    """Return the client of another process: one keeps the images that were asked for."""
    archive = ArchiveSettings(url=str(site.folder)) if reads_archive else None
    return client_of(site.site.postgres_url, site.site.kafka, archive)


async def cutout_of(api: httpx.AsyncClient, key: int, centre: dict[str, float]) -> np.ndarray:
    answer = await api.get(
        f"/api/v1/images/{key}/cutout",
        params={**centre, "format": "fits", "size_arcmin": SIZE_ARCMIN},
    )
    assert answer.status_code == 200, answer.text
    with fits.open(io.BytesIO(answer.content)) as hdus:
        return np.array(hdus[0].data)


async def links_of(api: httpx.AsyncClient) -> list[str]:
    """Return the links to pixels of all images."""
    answer = await api.get("/vo/sia")
    assert answer.status_code == 200, answer.text
    found = parse_single_table(io.BytesIO(answer.content)).to_table()
    return [str(each) for each in found["access_url"]]


async def words_of(api: httpx.AsyncClient, key: int, centre: dict[str, float]) -> str:
    answer = await api.get(f"/api/v1/images/{key}/cutout", params=centre)
    assert answer.status_code == 404, answer.text
    return str(answer.json()["detail"])


async def test_pixels_come_from_the_archive_when_kafka_has_deleted_them(
    site: ArchiveSite,
) -> None:
    sent, name = await asyncio.to_thread(archived, site)
    key, centre = await insert(site, sent), centre_of(sent)
    async with client(site) as api:
        from_kafka = await cutout_of(api, key, centre)
    delete_records(site.site.bootstrap, site.site.topics.images, 1)
    async with client(site) as api:
        from_archive = await cutout_of(api, key, centre)
        (link,) = await links_of(api)
        assert link == f"http://api/vo/soda/sync?ID={sent.image_id}"
        assert (await api.get(link)).content == (site.folder / name).read_bytes()
        circle = {"ID": sent.image_id, "CIRCLE": f"{centre['ra']} {centre['dec']} 0.05"}
        part = await api.get("/vo/soda/sync", params=circle)
        with fits.open(io.BytesIO(part.content)) as hdus:
            assert hdus[0].data.shape == (11, 11)
    rms = float(np.std(fits.getdata(io.BytesIO(sent.data))))
    assert from_archive.shape == from_kafka.shape
    assert 0 < np.abs(from_archive - from_kafka).max() < 0.1 * rms
    # A server that cannot read the archive promises nothing of it.
    async with client(site, reads_archive=False) as api:
        assert await links_of(api) == [""]
        assert "Kafka has deleted them" in await words_of(api, key, centre)


async def test_a_file_that_is_missing_has_words(site: ArchiveSite) -> None:
    sent, name = await asyncio.to_thread(archived, site)
    key, centre = await insert(site, sent), centre_of(sent)
    delete_records(site.site.bootstrap, site.site.topics.images, 1)
    (site.folder / name).unlink()
    async with client(site) as api:
        words = await words_of(api, key, centre)
        assert f"the archive has lost {name}" in words
        assert "no stored stamp shows the place" in words
        answer = await api.get("/vo/soda/sync", params={"ID": sent.image_id})
        assert answer.status_code == 404
        assert f"the archive has lost {name}" in answer.text


async def test_what_the_archive_has_deleted_or_never_had_has_words(site: ArchiveSite) -> None:
    sent, _ = await asyncio.to_thread(archived, site)
    key, centre = await insert(site, sent), centre_of(sent)
    missed = await asyncio.to_thread(site.send)
    missed_key = await insert(site, missed)
    delete_records(site.site.bootstrap, site.site.topics.images, 2)
    # It deletes what it has, and books what it cannot have.
    site.start(LIVETRAP_ARCHIVE__MAX_BYTES="0")
    await asyncio.to_thread(site.wait_for_rows, missed)
    row = await asyncio.to_thread(site.wait_until_gone, sent)
    async with client(site) as api:
        words = await words_of(api, key, centre)
        assert f"the archive deleted them at {row['time_gone']:%FT%TZ} (no_room)" in words
        words = await words_of(api, missed_key, centre)
        assert "they were not archived: gone before" in words
        assert "(image_gone)" in words
        assert await links_of(api) == ["", ""]
    unknown = site.send_image()
    unknown_key = await insert(site, unknown)
    delete_records(site.site.bootstrap, site.site.topics.images, 3)
    async with client(site) as api:
        assert "they were not archived" in await words_of(api, unknown_key, centre)


async def test_an_archive_that_is_away_is_said(site: ArchiveSite) -> None:
    sent, _ = await asyncio.to_thread(archived, site)
    key, centre = await insert(site, sent), centre_of(sent)
    delete_records(site.site.bootstrap, site.site.topics.images, 1)
    site.folder.rename(site.folder.with_name("elsewhere"))
    site.folder.write_text("in the way")
    async with client(site) as api:
        answer = await api.get(f"/api/v1/images/{key}/cutout", params=centre)
        assert answer.status_code == 503
        assert "LIVETRAP_ARCHIVE__URL" in answer.json()["detail"]

"""The first timestep of a new stream closes when its bands are known."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from livetrap.simulator import SimulatorConfig, iterate_images, lofar_bands_hz
from tests.support.vtp_service import AlertSite, alert_site, wait_until

# Longer than the test: nothing closes because it has waited.
FOR_EVER = {
    "LIVETRAP_ASSOCIATE__FIRST_TIMESTEP_WAIT_S": "36000",
    "LIVETRAP_ASSOCIATE__WINDOW_TIMEOUT_S": "36000",
}


@pytest.fixture
def site(kafka_bootstrap: str, postgres_url: str, tmp_path: Path) -> Iterator[AlertSite]:
    """Give the way from images to the catalogue."""
    with alert_site(kafka_bootstrap, postgres_url, tmp_path) as site:
        site.start_and_wait("extract")
        site.start_and_wait("associate", LIVETRAP_ASSOCIATE__NEW_STREAM_BANDS="3", **FOR_EVER)
        yield site


def count_outcomes(site: AlertSite, stream: str) -> dict[str, int]:
    rows = site.fetch("select stream, outcome, count(*) as n from image_ledger group by 1, 2")
    return {row["outcome"]: row["n"] for row in rows if row["stream"] == stream}


def publish(site: AlertSite, stream: str, images: list[bytes], **headers: str) -> None:
    for image in images:
        site.send_raw(site.topics.images, image, stream=stream, **headers)


def test_a_new_stream_waits_for_the_bands_of_its_header_or_of_the_settings(
    site: AlertSite,
) -> None:
    config = SimulatorConfig(images=1, size=128, bands_hz=lofar_bands_hz(3))
    images = [each.data for each in iterate_images(config)]
    assert len(images) == 3
    publish(site, "unfinished", images[:2])
    publish(site, "header", images[:2], **{"n-bands": "2"})
    publish(site, "settings", images)
    for stream, n_bands in (("header", 2), ("settings", 3)):
        wait_until(
            lambda stream=stream, n_bands=n_bands: (
                count_outcomes(site, stream) == {"processed": n_bands}
            ),
            what=f"the timestep of {stream}",
        )
    assert count_outcomes(site, "unfinished") == {}
    publish(site, "unfinished", images[2:])
    wait_until(
        lambda: count_outcomes(site, "unfinished") == {"processed": 3},
        what="the timestep with its last band",
    )


def test_a_new_stream_is_known_by_timesteps_with_the_same_bands(site: AlertSite) -> None:
    config = SimulatorConfig(images=3, size=128, bands_hz=lofar_bands_hz(2))
    images = [each.data for each in iterate_images(config)]
    assert len(images) == 6
    publish(site, "repeated", images)
    wait_until(
        lambda: count_outcomes(site, "repeated") == {"processed": 6},
        what="the timesteps of a stream that repeats its bands",
    )

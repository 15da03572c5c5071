"""The first timestep of a new stream closes when it has the bands that it should have."""

import pytest

from livetrap.simulator import SimulatorConfig, iterate_images, lofar_bands_hz
from tests.support.night import RunServers, publish, wait_for

pytestmark = pytest.mark.timeout(900)

# Longer than the test: nothing closes because it has waited.
FOR_EVER = {
    "LIVETRAP_ASSOCIATE__FIRST_TIMESTEP_WAIT_S": "36000",
    "LIVETRAP_ASSOCIATE__WINDOW_TIMEOUT_S": "36000",
}


def test_a_new_stream_waits_for_the_bands_of_its_header_or_of_the_settings(
    servers: RunServers,
) -> None:
    config = SimulatorConfig(images=1, size=128, bands_hz=lofar_bands_hz(3))
    images = [each.data for each in iterate_images(config)]
    assert len(images) == 3
    with servers.stack(LIVETRAP_ASSOCIATE__NEW_STREAM_BANDS="3", **FOR_EVER) as stack:
        topic = stack.topics.images
        publish(stack, topic, images[:2], stream="unfinished")
        publish(stack, topic, images[:2], stream="header", **{"n-bands": "2"})
        publish(stack, topic, images, stream="settings")
        for stream, n_bands in (("header", 2), ("settings", 3)):
            wait_for(
                lambda stream=stream, n_bands=n_bands: (
                    stack.outcomes(stream).get("processed") == n_bands
                ),
                what=f"the timestep of {stream}",
            )
        assert stack.outcomes("unfinished") == {}
        publish(stack, topic, images[2:], stream="unfinished")
        wait_for(
            lambda: stack.outcomes("unfinished").get("processed") == 3,
            what="the timestep with its last band",
        )

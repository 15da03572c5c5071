"""Whatever comes: clear words, nothing lost, nothing else stops."""

import json
import os
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Producer

from tests.support.fits_images import BAD_IMAGES, make, pixels
from tests.support.night import Stack, run, running_stack, wait_for

pytestmark = pytest.mark.timeout(600)

SCALED = {"BSCALE": 0.01, "BZERO": 0.0}
GOOD_IMAGES = {
    "plain": make(**{"DATE-OBS": "2026-01-01T00:00:01"}),
    "bitpix -64": make(pixels("f8"), **{"DATE-OBS": "2026-01-01T00:00:02"}),
    "bitpix 16, scaled": make(pixels("i2"), **{"DATE-OBS": "2026-01-01T00:00:03"} | SCALED),
    "3 axes": make(pixels(shape=(1, 64, 64)), **{"DATE-OBS": "2026-01-01T00:00:04"}),
    "4 axes": make(pixels(shape=(1, 1, 64, 64)), **{"DATE-OBS": "2026-01-01T00:00:05"}),
    "a blank corner": make(
        np.where(np.add.outer(range(64), range(64)) < 20, np.nan, pixels()).astype("f4"),
        **{"DATE-OBS": "2026-01-01T00:00:06"},
    ),
}


def publish(stack: Stack, topic: str, values: list[bytes], **headers: str) -> None:
    """Put bytes on a topic as a telescope does that never heard of ingest."""
    producer = Producer(
        {"bootstrap.servers": stack.status["kafka"], "message.max.bytes": 100_000_000}
    )
    for value in values:
        producer.produce(
            topic, value, headers=[(name, text.encode()) for name, text in headers.items()]
        )
    assert producer.flush(30) == 0


def dead_letters(stack: Stack) -> list[dict[str, str]]:
    listed = run(
        "dead-letters", "list", "--limit", "1000", "--json", "--data-dir", str(stack.data_dir)
    )
    return list(json.loads(listed))


def test_every_bad_image_is_recorded_and_every_good_one_processed() -> None:
    with running_stack(LIVETRAP_INGEST__CUBES="refuse") as stack:
        bad = [data for _, data in BAD_IMAGES]
        publish(stack, "images-v1", bad + list(GOOD_IMAGES.values()), stream="edge")
        n_images = len(bad) + len(GOOD_IMAGES)
        # Two of the bad ones may have the same bytes: then the second is a duplicate.
        n_twins = len(bad) - len(set(bad))
        wait_for(
            lambda: sum(stack.outcomes().values()) == n_images, what="all images in the ledger"
        )
        assert stack.outcomes() == {
            "processed": len(GOOD_IMAGES),
            "rejected": len(bad) - n_twins,
        } | ({"duplicate": n_twins} if n_twins else {})

        reasons = Counter(stack.get("ledger")["reasons"])
        assert set(reasons) == {code for code, _ in BAD_IMAGES}
        for letter in dead_letters(stack):
            assert letter["service"] == "extract"
            assert len(letter["error"]) > 20

        publish(stack, "images-v1", list(GOOD_IMAGES.values()), stream="edge")
        wait_for(
            lambda: stack.outcomes().get("duplicate", 0) == n_twins + len(GOOD_IMAGES),
            what="duplicates counted",
        )
        assert stack.outcomes()["processed"] == len(GOOD_IMAGES)

        publish(stack, "detections-v1", [b"\0\0\0\0\x63unknown schema", b""])
        publish(stack, "transients-v1", [b"\0\0\0\0\x63unknown schema", b""])
        wait_for(
            lambda: (
                Counter(letter["service"] for letter in dead_letters(stack))
                >= Counter({"associate": 2, "alert": 2})
            ),
            what="dead letters of unknown Avro",
        )


def test_ingest_says_what_is_wrong_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "good.fits").write_bytes(GOOD_IMAGES["plain"])
    (tmp_path / "other.fits").write_bytes(GOOD_IMAGES["4 axes"])
    (tmp_path / "no-beam.fits").write_bytes(dict(BAD_IMAGES)["no_beam"])
    (tmp_path / "huge.fits").write_bytes(make(np.zeros((1200, 1200), "f4")))
    with running_stack(LIVETRAP_INGEST__MAX_IMAGE_BYTES="5000000") as stack:
        folder = ["--data-dir", str(stack.data_dir)]
        run("ingest", str(tmp_path), "--stream", "edge", *folder, expect=1)
        wait_for(lambda: sum(stack.outcomes().values()) == 4, what="all files in the ledger")
        assert stack.outcomes() == {"processed": 2, "rejected": 2}
        assert stack.get("ledger")["reasons"] == {"no_beam": 1, "too_large": 1}
        words = " ".join(letter["error"] for letter in dead_letters(stack))
        assert "BMAJ" in words
        assert "LIVETRAP_INGEST__MAX_IMAGE_BYTES" in words


@pytest.mark.parametrize("server", ["kafka", "postgres"])
def test_a_server_that_dies_in_the_middle_costs_nothing(server: str) -> None:
    images = [
        make(**{"DATE-OBS": f"2026-01-01T00:{number // 60:02d}:{number % 60:02d}"})
        for number in range(60)
    ]
    with running_stack() as stack:
        publish(stack, "images-v1", images[:30], stream="edge")
        os.kill(stack.refresh()["services"][server]["pid"], signal.SIGKILL)
        wait_for(
            lambda: (
                stack.refresh()["services"][server]["state"] == "RUNNING"
                and stack.refresh()["ready"]
            ),
            what=f"{server} back",
        )
        publish(stack, "images-v1", images[30:], stream="edge")
        wait_for(
            lambda: sum(stack.outcomes().values()) == 60,
            what="all images in the ledger",
            timeout_s=180,
        )
        assert set(stack.outcomes()) <= {"processed", "late"}


def test_a_cube_becomes_an_image_a_plane() -> None:
    axis = {"CTYPE3": "FREQ", "CRVAL3": 1.4e9, "CRPIX3": 1.0, "CDELT3": 1e8, "CUNIT3": "Hz"}
    cube = make(pixels(shape=(3, 64, 64)), drop=("RESTFRQ",), **axis)
    with running_stack() as stack:
        publish(stack, "images-v1", [cube], stream="cube")
        wait_for(
            lambda: sum(stack.outcomes().values()) == 4,
            what="the cube and its planes in the ledger",
        )
        assert stack.outcomes() == {"processed": 3, "rejected": 1}
        assert stack.get("ledger")["reasons"] == {"split_into_planes": 1}
        assert dead_letters(stack) == []

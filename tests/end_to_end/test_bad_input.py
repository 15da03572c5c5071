"""Whatever comes: clear words, nothing lost, nothing else stops."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.fits_images import BAD_IMAGES, make, pixels
from tests.support.fuzzing import SEED
from tests.support.night import RunServers, Stack, dead_letters, publish, run_forked, wait_for
from tests.support.stack_mutants import (
    check_books,
    n_booked_without_image,
    pids,
    publish_good,
    publish_images,
    publish_records,
)

pytestmark = pytest.mark.timeout(1200)

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


@pytest.fixture(scope="module")
def strict(servers: RunServers) -> Iterator[Stack]:
    """Give a service that refuses cubes and large images."""
    with servers.stack(
        LIVETRAP_INGEST__CUBES="refuse", LIVETRAP_INGEST__MAX_IMAGE_BYTES="5000000"
    ) as stack:
        yield stack


def letters_of_extract(stack: Stack) -> list[dict[str, str | int]]:
    return [letter for letter in dead_letters(stack) if letter["service"] == "extract"]


def test_every_bad_image_is_recorded_and_every_good_one_processed(strict: Stack) -> None:
    bad, good = [data for _, data in BAD_IMAGES], list(GOOD_IMAGES.values())
    n_images = len(bad) + len(good)
    reasons = Counter(strict.get("ledger")["reasons"])
    n_letters = len(letters_of_extract(strict))
    publish(strict, strict.topics.images, bad + good, stream="edge")
    # Two of the bad ones may have the same bytes: then the second is a duplicate.
    n_twins = len(bad) - len(set(bad))
    wait_for(lambda: strict.n_in_ledger("edge") == n_images, what="all images in the ledger")
    assert strict.outcomes("edge") == {
        "processed": len(good),
        "rejected": len(bad) - n_twins,
    } | ({"duplicate": n_twins} if n_twins else {})

    new = Counter(strict.get("ledger")["reasons"]) - reasons
    assert set(new) == {code for code, _ in BAD_IMAGES}
    letters = letters_of_extract(strict)
    assert len(letters) - n_letters == len(bad) - n_twins
    assert all(len(str(letter["error"])) > 20 for letter in letters)

    publish(strict, strict.topics.images, good, stream="edge")
    wait_for(
        lambda: strict.outcomes("edge").get("duplicate", 0) == n_twins + len(good),
        what="duplicates counted",
    )
    assert strict.outcomes("edge")["processed"] == len(good)


def test_unknown_avro_is_a_dead_letter(strict: Stack) -> None:
    unknown = [b"\0\0\0\0\x63unknown schema", b""]
    publish(strict, strict.topics.detections, unknown)
    publish(strict, strict.topics.transients, unknown)
    wait_for(
        lambda: (
            Counter(letter["service"] for letter in dead_letters(strict))
            >= Counter({"associate": 2, "alert": 2})
        ),
        what="dead letters of unknown Avro",
    )


def test_ingest_says_what_is_wrong_and_goes_on(strict: Stack, tmp_path: Path) -> None:
    dates = [{"DATE-OBS": f"2026-01-01T00:01:0{second}"} for second in range(3)]
    (tmp_path / "good.fits").write_bytes(make(**dates[0]))
    (tmp_path / "other.fits").write_bytes(make(pixels(shape=(1, 1, 64, 64)), **dates[1]))
    (tmp_path / "no-beam.fits").write_bytes(make(drop=("BMAJ",), **dates[2]))
    (tmp_path / "huge.fits").write_bytes(make(np.zeros((1200, 1200), "f4")))
    reasons = Counter(strict.get("ledger")["reasons"])
    folder = ["--data-dir", str(strict.data_dir)]
    run_forked("ingest", str(tmp_path), "--stream", "files", *folder, expect=1)
    wait_for(lambda: strict.n_in_ledger("files") == 4, what="all files in the ledger")
    assert strict.outcomes("files") == {"processed": 2, "rejected": 2}
    assert Counter(strict.get("ledger")["reasons"]) - reasons == {"no_beam": 1, "too_large": 1}
    letters = json.loads(run_forked("dead-letters", "list", "--limit", "1000", "--json", *folder))
    words = " ".join(letter["error"] for letter in letters)
    assert "BMAJ" in words
    assert "LIVETRAP_INGEST__MAX_IMAGE_BYTES" in words


def test_mutants_are_recorded_and_end_no_process(strict: Stack) -> None:
    """A part of what `make fuzz` sends."""
    before, n_without_image = pids(strict), n_booked_without_image(strict)
    publish_images(strict, range(30), seed=SEED)
    publish_records(strict, range(5), seed=SEED)
    check_books(strict, n_without_image=n_without_image)
    publish_good(strict)
    assert pids(strict) == before

"""Images are kept in memory, then on disk while requests come late."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetrap.simulator import SimulatorConfig, iterate_images
from services.extract.models import ExtractedImage, FinderParameters
from services.extract.steps.catalogue import extract_sources
from services.extract.steps.image import open_image
from services.extract.steps.pixel_file import PixelFile
from services.extract.steps.recent_images import RecentImages

SIDE_PX = 128
IMAGE_BYTES = 4 * SIDE_PX**2


class Clock:
    """A clock that a test sets."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(scope="module")
def images() -> list[ExtractedImage]:
    config = SimulatorConfig(images=8, size=SIDE_PX, bands_hz=(150e6,))
    opened = [open_image(each.data, {}) for each in iterate_images(config)]
    return [ExtractedImage(each, extract_sources(each, FinderParameters())) for each in opened]


def keeper(folder: Path | None, clock: Clock, *, n_in_memory: int, n_on_disk: int) -> RecentImages:
    return RecentImages(
        n_in_memory * IMAGE_BYTES, folder=folder, max_disk_bytes=n_on_disk * IMAGE_BYTES,
        clock=clock,
    )  # fmt: skip


def put_all(recent: RecentImages, images: list[ExtractedImage]) -> None:
    for number, image in enumerate(images):
        recent.put(str(number), image)


def numbers_of(recent: RecentImages, images: list[ExtractedImage]) -> list[int]:
    """Return which images are kept; each must be itself."""
    kept = []
    for number, image in enumerate(images):
        found = recent.get(str(number))
        if found is not None:
            np.testing.assert_array_equal(found.image.pixels, image.image.pixels)
            assert found.extraction is image.extraction
            kept.append(number)
    return kept


def test_what_leaves_memory_comes_back_from_disk(
    images: list[ExtractedImage], tmp_path: Path
) -> None:
    recent = keeper(tmp_path, Clock(), n_in_memory=2, n_on_disk=3)
    put_all(recent, images)
    assert numbers_of(recent, images) == [3, 4, 5, 6, 7]


def test_the_latest_image_is_kept_whatever_its_size(images: list[ExtractedImage]) -> None:
    recent = RecentImages(IMAGE_BYTES // 2)
    put_all(recent, images)
    assert numbers_of(recent, images) == [7]


def test_room_is_made_before_an_image_is_put(images: list[ExtractedImage]) -> None:
    recent = RecentImages(3 * IMAGE_BYTES)
    put_all(recent, images[:3])
    recent.make_room(IMAGE_BYTES)
    assert numbers_of(recent, images) == [1, 2]
    recent.make_room(IMAGE_BYTES)
    assert numbers_of(recent, images) == [1, 2]


def test_the_file_has_no_name(images: list[ExtractedImage], tmp_path: Path) -> None:
    recent = keeper(tmp_path, Clock(), n_in_memory=1, n_on_disk=3)
    put_all(recent, images)
    assert list(tmp_path.iterdir()) == []


def test_nothing_goes_to_disk_while_requests_come_soon(
    images: list[ExtractedImage], tmp_path: Path
) -> None:
    clock = Clock()
    recent = keeper(tmp_path, clock, n_in_memory=2, n_on_disk=8)
    for number, image in enumerate(images):
        recent.put(str(number), image)
        clock.now_s += 1.0
        assert recent.get(str(number)) is not None
        clock.now_s += 9.0
    assert numbers_of(recent, images) == [6, 7]


def test_a_request_that_comes_too_late_makes_images_stay(
    images: list[ExtractedImage], tmp_path: Path
) -> None:
    clock = Clock()
    recent = keeper(tmp_path, clock, n_in_memory=2, n_on_disk=8)
    put_all(recent, images[:2])
    assert recent.get("0") is not None
    clock.now_s = 50.0
    assert recent.get("long gone") is None
    put_all(recent, images)
    assert numbers_of(recent, images) == list(range(8))


@pytest.mark.parametrize(
    ("was_behind", "silence_s", "expected"),
    [
        (True, 1.0, list(range(4, 8))),
        # An hour later, and where requests have never come late, the disk is left alone.
        (True, 3600.0, [6, 7]),
        (False, 1.0, [6, 7]),
    ],
)
def test_who_was_behind_finds_what_was_not_asked_for_yet(
    images: list[ExtractedImage],
    tmp_path: Path,
    *,
    was_behind: bool,
    silence_s: float,
    expected: list[int],
) -> None:
    clock = Clock()
    recent = keeper(tmp_path, clock, n_in_memory=2, n_on_disk=8)
    put_all(recent, images[:4])
    assert recent.get("0" if was_behind else "3") is not None
    clock.now_s += silence_s
    recent.put("3", images[3])
    for _ in range(100):
        assert recent.get("3") is not None
    for number, image in enumerate(images[4:], 4):
        clock.now_s += 1.0
        recent.put(str(number), image)
    assert [number for number in numbers_of(recent, images) if number > 3] == expected


@pytest.mark.parametrize("folder", [None, Path("/dev/null/no-folder")])
def test_without_a_disk_only_memory_counts(
    images: list[ExtractedImage], folder: Path | None
) -> None:
    recent = keeper(folder, Clock(), n_in_memory=2, n_on_disk=3)
    put_all(recent, images)
    assert numbers_of(recent, images) == [6, 7]


def test_clear_drops_everything(images: list[ExtractedImage], tmp_path: Path) -> None:
    recent = keeper(tmp_path, Clock(), n_in_memory=2, n_on_disk=3)
    put_all(recent, images)
    recent.clear()
    assert numbers_of(recent, images) == []


@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=60))
def test_what_was_not_overwritten_is_read_as_written(
    sizes: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = PixelFile(tmp_path_factory.getbasetemp(), max_bytes=4 * 100)
    kept: list[tuple[int, np.ndarray]] = []
    for number, size in enumerate(sizes):
        pixels = np.full((1, size), number, np.float32)
        span = file.write(pixels)
        assert span is not None
        while kept and span.overwrites(kept[0][0]):
            kept.pop(0)
        kept.append((span.start, pixels))
        for start, written in kept:
            np.testing.assert_array_equal(file.read(start, written.shape), written)


def test_an_image_larger_than_the_file_is_not_written(tmp_path: Path) -> None:
    assert PixelFile(tmp_path, max_bytes=16).write(np.zeros((3, 3), np.float32)) is None


def test_looks_back_keep_images_on_disk_for_a_limited_time(
    tmp_path: Path, images: list[ExtractedImage]
):
    """An image of any age may be asked for: it does not say that requests come so late."""
    clock = Clock()
    recent = keeper(tmp_path, clock, n_in_memory=1, n_on_disk=8)
    recent.put("0", images[0])
    clock.now_s = 1000.0
    assert recent.look_back("0") is not None
    assert recent.look_back("gone") is None
    recent.put("1", images[1])  # an image that was wanted for 40 s goes, not to disk
    assert recent.look_back("0") is None
    clock.now_s += 30.0
    recent.put("2", images[2])  # and one of 30 s does
    found = recent.look_back("1")
    assert found is not None
    np.testing.assert_array_equal(found.image.pixels, images[1].image.pixels)

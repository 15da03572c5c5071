"""Stamps as files: pixels within a step, the source where astropy finds it, reasons."""

import io
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage
from runtime.settings import ExtractSettings, IngestSettings
from schemas.codec import decode_image_stamps, encode_stamp_request
from schemas.messages import ImageStamps, SourceOffset, StampColumns, StampRequest
from schemas.topics import Topics
from services.extract.handlers.stamps import StampHandler
from services.extract.kernels.rice import encode_rice
from services.extract.steps import stamps as stamp_steps
from services.extract.steps.image_message import read_message
from services.extract.steps.images_again import ImagesAgain
from services.extract.steps.measurement import ImageMeasurer
from services.extract.steps.stamp_file import to_stamp_file
from services.extract.steps.stamps import StampCutter
from sky.celestial_frame import parse_wcs
from sky.cutout import Cutout, cut
from tests.support.fits_images import make

SIDE_PX, CELL_DEG = 33, 0.01


def header_at(ra: float, dec: float, side_px: int, projection: str = "SIN") -> str:
    cards = {
        "CTYPE1": f"'RA---{projection}'", "CTYPE2": f"'DEC--{projection}'", "CRVAL1": f"{ra:.6f}",
        "CRVAL2": f"{dec:.6f}", "CRPIX1": side_px / 2,
        "CRPIX2": side_px / 2 + 3, "CDELT1": -CELL_DEG,
        "CDELT2": CELL_DEG,
    }  # fmt: skip
    return "\n".join(f"{name:<8}= {value:>20}" for name, value in cards.items())


def opened(data: bytes) -> tuple[np.ndarray, fits.Header]:
    with fits.open(io.BytesIO(data)) as hdus:
        return np.asarray(hdus[1].data), hdus[1].header.copy()


# Subnormal numbers have no steps between them that a float32 could tell.
FLUXES = st.one_of(
    st.just(float("nan")),
    st.floats(-1e6, 1e6, width=32).filter(lambda each: each == 0 or abs(each) > 1e-20),
)


@settings(deadline=None, max_examples=30)
@given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=FLUXES)
)
def test_pixels_come_back_within_a_step(pixels: np.ndarray) -> None:
    if not np.isfinite(pixels).any():
        pixels[0, 0] = 1.0
    data = to_stamp_file(Cutout(pixels, 0, 0, header_at(10, 20, 12)), {})
    assert len(data) % 2880 == 0
    found, _ = opened(data)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(pixels))
    finite = pixels[np.isfinite(pixels)].astype(np.float64)
    noise = 1.4826 * np.median(np.abs(finite - np.median(finite)))
    step = max(noise / 8 or np.ptp(finite) / 4096 or np.abs(finite).max() / 4096,
               np.abs(finite).max() / 2**30)  # fmt: skip
    # Of the rounding to float32, too.
    limit = 0.501 * step + 1e-6 * np.abs(finite).max()
    assert np.nanmax(np.abs(found.astype(np.float64) - pixels)) <= limit


@settings(deadline=None)
@given(hnp.arrays(np.int32, st.integers(1, 100)), st.sampled_from([16, 32]))
def test_rice_fits_into_the_room_for_it(values: np.ndarray, block: int) -> None:
    out = np.zeros(8 * values.size + 16, np.uint8)
    assert 0 < encode_rice(values, block, out) <= out.size


@settings(deadline=None, max_examples=30)
@given(
    ra=st.one_of(st.sampled_from([0.0, 359.9999, 180.0]), st.floats(0, 360, exclude_max=True)),
    dec=st.one_of(st.sampled_from([90.0, -90.0, 89.99, 0.0]), st.floats(-90, 90)),
    projection=st.sampled_from(["SIN", "TAN", "ZEA"]),
    place=st.tuples(st.integers(0, 99), st.integers(0, 99)),
)
def test_the_source_is_in_the_middle_by_astropy(
    ra: float, dec: float, projection: str, place: tuple[int, int]
) -> None:
    wcs_header = header_at(ra, dec, 100, projection)
    pixels = np.zeros((100, 100), np.float32)
    pixels[place[1], place[0]] = 1.0
    world = parse_wcs(wcs_header).pixel_to_world(*place)
    at = float(world.ra.deg), float(world.dec.deg)
    stamp = cut(pixels, wcs_header, *at, beam_major_deg=None, least_side_px=SIDE_PX)
    found, header = opened(to_stamp_file(stamp, {}))
    x, y = parse_wcs(header.tostring(sep="\n")).world_to_pixel(world)
    assert np.allclose((float(x), float(y)), SIDE_PX // 2, atol=1e-4)
    assert np.unravel_index(np.nanargmax(found), found.shape) == (SIDE_PX // 2, SIDE_PX // 2)


class Bench:
    """A cutter of one image that is in memory, and of one that Kafka has or has not."""

    def __init__(self, **image: Any) -> None:
        self.data = make(**image)
        self.message = InMessage("images-v1", 0, 7, b"night:b", self.data, {"stream": "night"})
        self.fetched = 0
        self.is_gone = False
        self.measurer = ImageMeasurer(ExtractSettings(), IngestSettings())
        again = ImagesAgain(self._fetch, "images-v1", "cluster")
        self.handler = StampHandler(StampCutter(self.measurer, again, side_px=33), Topics())
        self.image_id = read_message(self.message, "cluster").digest.image_id

    def _fetch(self, _topic: str, _partition: int, _offset: int) -> InMessage | None:
        self.fetched += 1
        return None if self.is_gone else self.message

    def request(self, *places: tuple[float, float], **changes: Any) -> InMessage:
        columns = StampColumns(
            tuple(f"trig{number}-now" for number in range(len(places))),
            np.array([ra for ra, _ in places]),
            np.array([dec for _, dec in places]),
        )
        fields: dict[str, Any] = {
            "image_id": self.image_id, "stream": "night", "stamps": columns,
            "source": SourceOffset("cluster", "images-v1", 0, 7),
        } | changes  # fmt: skip
        return InMessage(
            "stamp-requests-v1", 0, 0, b"", encode_stamp_request(StampRequest(**fields))
        )

    def ask(self, *places: tuple[float, float], **changes: Any) -> ImageStamps:
        (out,) = self.handler.on_request(self.request(*places, **changes)) or ()
        assert (out.topic, out.key) == ("stamps-v1", b"night")
        return decode_image_stamps(out.value)


def test_an_image_is_read_once_for_several_requests() -> None:
    bench = Bench()
    first = bench.ask((10.0, 20.0))
    again = bench.ask((10.0, 20.0), (10.05, 20.05))
    assert bench.fetched == 1
    assert first.stamps[0] == again.stamps[0]
    _, header = opened(first.stamps[0].data)
    assert header["STAMPID"] == "trig0-now"
    assert header["IMAGEID"] == bench.image_id
    assert header["DATE-OBS"].startswith("2026-01-01T00:00:00")
    assert (header["RA_SRC"], header["DEC_SRC"]) == (10.0, 20.0)


def test_pixels_in_memory_are_cut_without_kafka() -> None:
    bench = Bench()
    bench.measurer.extract(read_message(bench.message, "cluster"))
    in_memory = bench.ask((10.0, 20.0))
    assert bench.fetched == 0
    assert in_memory.stamps == Bench().ask((10.0, 20.0)).stamps


def test_large_stamps_are_cut_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    places = [(10.0 + 0.01 * number, 20.0) for number in range(5)]
    whole = Bench().ask(*places)
    monkeypatch.setattr(stamp_steps, "_SLICE_PX", 2 * 51 * 51)
    bench = Bench()
    asked, other = bench.request(*places), bench.request(places[0])
    answers = [bench.handler.on_request(asked) for _ in range(3)]
    assert answers[:2] == [None, None]
    (out,) = answers[2] or ()
    assert decode_image_stamps(out.value) == whole
    assert bench.fetched == 1
    # A stamp has ten beams: 51 px. Begun again after another request, and after an error.
    assert bench.handler.on_request(asked) is None
    assert bench.handler.on_request(other) is not None
    assert bench.handler.on_request(asked) is None
    bench.handler.reset()
    again = [bench.handler.on_request(asked) for _ in range(3)]
    assert [each is None for each in again] == [True, True, False]


def test_what_cannot_be_cut_has_a_reason() -> None:
    pixels = np.random.default_rng(1).normal(0, 1, (64, 64)).astype("f4")
    pixels[:, :40] = np.nan
    bench = Bench(array=pixels)
    found = bench.ask((200.0, -20.0), (10.31, 20.0), (10.0, 20.0), (float("nan"), 0.0))
    reasons = [each.reason for each in found.stamps]
    assert reasons == ["outside", "blank", "", "outside"]
    assert [bool(each.data) for each in found.stamps] == [False, False, True, False]
    bench = Bench()
    bench.is_gone = True
    assert bench.ask((10.0, 20.0)).stamps[0].reason == "image_gone"
    elsewhere = SourceOffset("other", "images-v1", 0, 7)
    assert bench.ask((10.0, 20.0), source=elsewhere).stamps[0].reason == "image_elsewhere"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image_id": "x"}, "sha256"),
        ({"stream": "a b"}, "no name of a stream"),
        ({"stamps": StampColumns(("../x",), np.zeros(1), np.zeros(1))}, "TrigID-role"),
        ({"stamps": StampColumns(("a-now",) * 65, np.zeros(65), np.zeros(65))}, "more than 64"),
    ],
)
def test_a_request_that_nobody_could_store_is_refused(changes: dict[str, Any], words: str) -> None:
    bench = Bench()
    with pytest.raises(RejectedMessageError, match=words):
        bench.handler.on_request(bench.request((10.0, 20.0), **changes))
    with pytest.raises(RejectedMessageError, match="stamp_request"):
        bench.handler.on_request(InMessage("stamp-requests-v1", 0, 0, b"", b"no Avro"))


def test_a_rejected_request_is_answered_with_the_reason() -> None:
    bench = Bench()
    error = RejectedMessageError("internal_error", "why")
    letter, out = bench.handler.on_rejected(bench.request((10.0, 20.0)), error)
    assert letter.topic == Topics().dead_letters
    assert decode_image_stamps(out.value).stamps[0].reason == "internal_error"
    assert len(bench.handler.on_rejected(InMessage("a", 0, 0, b"", b""), error)) == 1

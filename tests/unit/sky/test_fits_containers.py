"""Compressed files and cubes give the pixels of the plain image; damaged ones are refused."""

import bz2
import gzip
import io
from collections.abc import Callable

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.settings.pipeline import ImageLimits
from sky.fits import HeaderError, parse_fits
from sky.fits_containers import decompress, is_image_file, open_fits, split_planes
from sky.fits_pixels import decode_pixels
from sky.metadata import read_metadata
from tests.support.examples import examples
from tests.support.fits_images import CARDS, make, pixels, write

LIMIT = 1 << 24


def opened(data: bytes) -> tuple[np.ndarray, fits.Header]:
    unpacked, image = open_fits(data, {}, max_bytes=LIMIT)
    return decode_pixels(unpacked, image), image.header


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lambda data: data])
def test_a_compressed_file_is_the_plain_one(pack) -> None:  # noqa: ANN001  (three callables)
    got, header = opened(pack(make()))
    np.testing.assert_array_equal(got, pixels())
    assert header["BMAJ"] == CARDS["BMAJ"]
    assert is_image_file(pack(make())[:16])


def test_a_file_of_several_gzip_members_is_read_whole() -> None:
    data = make()
    got, _ = opened(gzip.compress(data[:5000]) + gzip.compress(data[5000:]))
    np.testing.assert_array_equal(got, pixels())


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1"])
def test_a_tile_compressed_image_is_expanded(kind: str) -> None:
    level = 0 if kind.startswith("GZIP") else 16
    image = fits.CompImageHDU(pixels(), compression_type=kind, quantize_level=level)
    for name, value in CARDS.items():
        image.header[name] = value
    got, header = opened(write(fits.HDUList([fits.PrimaryHDU(), image])))
    assert np.max(np.abs(got - pixels())) < 100 / 4 * (level > 0) + 1e-3
    assert read_metadata(header).freq_eff_hz == CARDS["RESTFRQ"]


def test_an_extension_inherits_the_primary_header() -> None:
    primary, image = fits.PrimaryHDU(), fits.ImageHDU(pixels())
    for name, value in CARDS.items():
        (image if name[:5] in ("CTYPE", "CRVAL", "CRPIX", "CDELT") else primary).header[name] = (
            value
        )
    image.header["INHERIT"] = True
    _, header = opened(write(fits.HDUList([primary, image])))
    assert read_metadata(header).beam_major_deg == CARDS["BMAJ"]
    del image.header["INHERIT"]
    _, header = opened(write(fits.HDUList([primary, image])))
    with pytest.raises(HeaderError, match="DATE-OBS"):
        read_metadata(header)


@given(st.integers(0, 1 << 20), st.integers(1, 255))
@settings(max_examples=examples(40))
def test_a_damaged_compressed_file_is_refused_or_read(place: int, change: int) -> None:
    packed = bytearray(gzip.compress(make()))
    packed[place % len(packed)] ^= change
    try:
        got, _ = opened(bytes(packed))
    except HeaderError as error:
        assert error.code in {"damaged_file", "truncated", "not_fits"}  # noqa: PT017
    else:
        assert got.shape == (64, 64)


def test_a_compressed_file_that_is_cut_short_is_refused_but_its_head_can_be_read() -> None:
    packed = gzip.compress(make())
    with pytest.raises(HeaderError, match="cut short"):
        decompress(packed[: len(packed) // 2], max_bytes=LIMIT)
    head = decompress(packed[: len(packed) // 2], max_bytes=LIMIT, is_head=True)
    assert parse_fits(head, {}).header["BMAJ"] == CARDS["BMAJ"]


def test_a_file_that_would_unpack_beyond_the_limit_is_refused_early() -> None:
    bomb = gzip.compress(bytes(1 << 26))
    with pytest.raises(HeaderError, match="the limit is 1000000") as caught:
        decompress(bomb, max_bytes=1_000_000)
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress])
def test_the_limit_counts_pixels_not_headers(pack) -> None:  # noqa: ANN001  (two callables)
    data = pack(make(HISTORY="x" * 60_000))
    n_bytes = pixels().nbytes
    open_fits(data, {}, max_bytes=n_bytes)
    with pytest.raises(HeaderError, match=f"{n_bytes} bytes or more") as caught:
        open_fits(data, {}, max_bytes=n_bytes - 1)
    assert caught.value.code == "too_large"


def test_an_image_of_4096_px_is_within_the_default_limit() -> None:
    assert ImageLimits().max_image_bytes >= 4096 * 4096 * np.dtype(np.float32).itemsize


def cube(n_channels: int = 3, n_stokes: int = 2) -> bytes:
    array = np.arange(n_channels * n_stokes * 64 * 64, dtype="f4")
    axes = {
        "CTYPE3": "STOKES", "CRVAL3": 1.0, "CRPIX3": 1.0, "CDELT3": 3.0,
        "CTYPE4": "FREQ", "CRVAL4": 1.4e9, "CRPIX4": 1.0, "CDELT4": 1e6,
    }  # fmt: skip
    return make(array.reshape(n_channels, n_stokes, 64, 64), drop=("RESTFRQ",), **axes)


def test_each_plane_of_a_cube_is_an_image_of_its_own() -> None:
    data = cube()
    planes = list(split_planes(data, parse_fits(data, {})))
    assert len(planes) == 6
    found = [read_metadata(parse_fits(plane, {}).header) for plane in planes]
    assert [each.stokes for each in found] == ["I", "V"] * 3
    assert [each.freq_eff_hz for each in found] == [
        1.4e9,
        1.4e9,
        1.401e9,
        1.401e9,
        1.402e9,
        1.402e9,
    ]
    for number, plane in enumerate(planes):
        got, header = opened(plane)
        assert got[0, 0] == number * 64 * 64
        assert fits.open(io.BytesIO(plane))[0].data.shape == (1, 1, 64, 64)
        assert header["BMAJ"] == CARDS["BMAJ"]


def turned(order: str) -> bytes:
    """Return `cube` in another order: L, B of the sky, S of Stokes, F the channels."""
    file = fits.open(io.BytesIO(cube()))
    header = file[0].header
    cards = {
        f"{name}{new}": header[f"{name}{old}"]
        for new, old in enumerate(("LBSF".index(axis) + 1 for axis in order), start=1)
        for name in ("CTYPE", "CRVAL", "CRPIX", "CDELT")
    }
    # numpy's axes are those of FITS in reverse.
    array = file[0].data.transpose([3 - "LBSF".index(axis) for axis in reversed(order)])
    return make(np.ascontiguousarray(array), drop=("RESTFRQ",), **cards)


def frames_of(data: bytes) -> dict[tuple[float, str], np.ndarray]:
    """Return the pixels of each plane of a file by its frequency and Stokes parameter."""
    frames = {}
    for plane in split_planes(*open_fits(data, {}, max_bytes=LIMIT)):
        got, header = opened(plane)
        read = read_metadata(header)
        frames[read.freq_eff_hz, read.stokes] = got
        assert not header["CTYPE1"].startswith(("FREQ", "STOKES"))
    return frames


@pytest.mark.parametrize("order", ["FLBS", "LFBS", "SFLB", "FSBL", "LSBF", "BLSF", "LBFS"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_channels_may_lie_before_the_sky_and_between_its_axes(
    order: str, pack: Callable[[bytes], bytes]
) -> None:
    wanted, got = frames_of(cube()), frames_of(pack(turned(order)))
    assert got.keys() == wanted.keys()
    assert len(got) == 6
    is_turned = order.index("B") < order.index("L")
    for plane, frame in got.items():
        np.testing.assert_array_equal(frame.T if is_turned else frame, wanted[plane])


def test_a_cube_with_channels_first_is_not_read_beyond_its_end() -> None:
    data = turned("FLBS")
    _, image = open_fits(data, {}, max_bytes=LIMIT)
    n_bytes = 6 * 64 * 64 * 4
    assert decode_pixels(data[: image.data_offset + n_bytes], image, 5)[-1, -1] == 6 * 64 * 64 - 1
    with pytest.raises(HeaderError, match="cut short") as refused:
        decode_pixels(data[: image.data_offset + n_bytes - 1], image, 5)
    assert refused.value.code == "truncated"


def test_each_plane_has_its_own_casa_beam() -> None:
    file = fits.open(io.BytesIO(cube()))
    for name in ("BMAJ", "BMIN", "BPA"):
        del file[0].header[name]
    file[0].header["CASAMBM"] = True
    numbers = [(channel, pol) for channel in (2, 0, 1) for pol in (1, 0)]
    columns = [
        fits.Column("BMAJ", "1E", "arcsec", array=[36.0 + 10 * c + p for c, p in numbers]),
        fits.Column("BMIN", "1E", "arcsec", array=[30.0] * 6),
        fits.Column("BPA", "1E", "deg", array=[5.0] * 6),
        fits.Column("CHAN", "1J", array=[c for c, _ in numbers]),
        fits.Column("POL", "1J", array=[p for _, p in numbers]),
    ]
    file.append(fits.BinTableHDU.from_columns(columns, name="BEAMS"))
    data = write(file)
    beams = [
        read_metadata(parse_fits(plane, {}).header).beam_major_deg * 3600
        for plane in split_planes(data, parse_fits(data, {}))
    ]
    assert beams == pytest.approx([36, 37, 46, 47, 56, 57], rel=1e-6)


def test_a_cube_without_its_reference_pixel_is_refused() -> None:
    data = make(pixels(shape=(3, 64, 64)), CTYPE3="FREQ", CRVAL3=1.4e9, CDELT3=1e6)
    with pytest.raises(HeaderError, match="CRPIX3"):
        list(split_planes(data, parse_fits(data, {})))


def test_planes_of_a_lofar_cube_have_their_own_frequencies() -> None:
    axis = {"CTYPE3": "FREQ", "CRVAL3": 1.4e8, "CRPIX3": 1.0, "CDELT3": 1e6}
    band = {"TELESCOP": "LOFAR", "RESTFRQ": 1.41e8, "RESTBW": 3e6}
    data = make(pixels(shape=(3, 64, 64)), **axis, **band)
    found = [
        read_metadata(parse_fits(plane, {}).header)
        for plane in split_planes(data, parse_fits(data, {}))
    ]
    assert [each.freq_eff_hz for each in found] == pytest.approx([1.4e8, 1.41e8, 1.42e8])
    assert [each.freq_bw_hz for each in found] == pytest.approx([1e6] * 3)


@pytest.mark.parametrize("ctype", ["TIME", "SPECLNMF", "FACET", "COMPLEX", None])
def test_planes_that_differ_in_something_else_are_refused(ctype: str | None) -> None:
    axis = {"CTYPE3": ctype, "CRVAL3": 1.4e9, "CRPIX3": 1.0, "CDELT3": 1e6}
    data = make(pixels(shape=(3, 64, 64)), **{k: v for k, v in axis.items() if v is not None})
    with pytest.raises(HeaderError, match=f"CTYPE3 is {ctype or 'missing'}") as refused:
        list(split_planes(data, parse_fits(data, {})))
    assert refused.value.code == "not_2d"


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_2", "PLIO_1", "HCOMPRESS_1"])
@pytest.mark.parametrize("cards", [{}, {"BLANK": 3}, {"BSCALE": 0.5, "BZERO": 2.0, "BLANK": 3}])
def test_a_tile_compressed_image_of_whole_numbers_stays_one(
    kind: str, cards: dict[str, float]
) -> None:
    """Zeros side by side are values of whole numbers, and blanks only of others."""
    numbers = np.random.default_rng(2).integers(0, 5, (64, 64)).astype("i2")
    packed = fits.CompImageHDU(numbers, compression_type=kind)
    for name, value in (CARDS | cards).items():
        packed.header[name] = value
    data = write(fits.HDUList([fits.PrimaryHDU(), packed]))
    unpacked, image = open_fits(data, {}, max_bytes=LIMIT)
    assert image.bitpix == 16
    expected = numbers * cards.get("BSCALE", 1.0) + cards.get("BZERO", 0.0)
    expected[numbers == cards.get("BLANK")] = np.nan
    np.testing.assert_array_equal(decode_pixels(unpacked, image), expected.astype("f4"))


@pytest.mark.parametrize("card", ["BZERO   = 32768.0", "BSCALE  = 2.0", "BLANK   = 7"])
@pytest.mark.parametrize("bitpix", [16, -32])
def test_what_scales_the_pixels_of_the_primary_is_not_inherited(card: str, bitpix: int) -> None:
    numbers = pixels("i2" if bitpix > 0 else "f4")
    image = fits.ImageHDU(numbers)
    image.header.update(CARDS | {"INHERIT": True})
    data = write(fits.HDUList([fits.PrimaryHDU(), image]))
    end = data.index(b"END" + b" " * 77)
    data = data[:end] + card.ljust(80).encode() + data[end : end + 80] + data[end + 160 :]
    got, _ = opened(data)
    np.testing.assert_array_equal(got, numbers.astype("f4"))


def test_the_beams_of_casa_are_found_beside_a_tile_compressed_image() -> None:
    packed = fits.CompImageHDU(pixels(), compression_type="RICE_1")
    for name, value in CARDS.items():
        if name not in ("BMAJ", "BMIN", "BPA"):
            packed.header[name] = value
    packed.header["CASAMBM"] = True
    columns = (("BMAJ", "arcsec", 180.0), ("BMIN", "arcsec", 144.0), ("BPA", "deg", 30.0))
    beams = [fits.Column(name, "E", unit=unit, array=[value]) for name, unit, value in columns]
    table = fits.BinTableHDU.from_columns(beams, name="BEAMS")
    _, header = opened(write(fits.HDUList([fits.PrimaryHDU(), packed, table])))
    read = read_metadata(header)
    assert (read.beam_major_deg, read.beam_minor_deg, read.beam_pa_deg) == (0.05, 0.04, 30.0)


@pytest.mark.parametrize("text", ["1.5D2", "150", " 150.0 "])
def test_an_injected_number_is_read_as_a_card_is(text: str) -> None:
    _, image = open_fits(make(), {"CRVAL1": text, "TELESCOP": "3"}, max_bytes=LIMIT)
    assert image.header["CRVAL1"] == 150.0
    assert str(image.header["TELESCOP"]) == "3"

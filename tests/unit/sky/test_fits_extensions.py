"""Of several images in a file those of the sky are found; the others are named."""

import gzip

import numpy as np
import pytest
from astropy.io import fits

from sky.fits import FitsImage
from sky.fits_containers import open_fits, split_file
from sky.fits_pixels import decode_pixels
from sky.metadata import read_metadata
from tests.support.fits_images import CARDS, make, pixels, several_images, write

LIMIT = 1 << 24


def extension(name: str, array: np.ndarray | None = None, **cards: object) -> fits.ImageHDU:
    hdu = fits.ImageHDU(pixels() if array is None else array, name=name)
    hdu.header.update(CARDS | cards)
    return hdu


def file_of(*extensions: fits.ImageHDU, tail: bytes = b"") -> bytes:
    first = fits.PrimaryHDU(pixels())
    first.header.update(CARDS)
    return write(fits.HDUList([first, *extensions])) + tail


def opened(data: bytes) -> tuple[bytes, FitsImage]:
    return open_fits(data, {}, max_bytes=LIMIT)


def frequencies(data: bytes) -> list[float]:
    """Return the frequency of each image that a file is split into."""
    return [
        read_metadata(opened(plane)[1].header).freq_eff_hz for plane in split_file(*opened(data))
    ]


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: data])
def test_each_image_of_the_sky_is_found(pack) -> None:  # noqa: ANN001  (two callables)
    data, image = opened(pack(several_images()))
    assert image.n_planes_of_file == 2
    assert image.passed_over == ("SPECTRUM", "BAND1_RMS", "AGAIN")
    assert frequencies(data) == [1.4e9, 1.5e9]


def test_each_image_keeps_its_pixels_and_the_cards_it_inherits() -> None:
    second = extension("B", 2 * pixels(), INHERIT=True, RESTFRQ=2e9)
    del second.header["BMAJ"]
    planes = [opened(plane) for plane in split_file(*opened(file_of(second)))]
    assert [plane.passed_over for _, plane in planes] == [(), ()]
    for factor, (data, plane) in enumerate(planes, start=1):
        np.testing.assert_array_equal(decode_pixels(data, plane), factor * pixels())
        assert plane.header["BMAJ"] == CARDS["BMAJ"]


def test_tile_compressed_images_are_all_expanded() -> None:
    hdus = fits.HDUList([fits.PrimaryHDU()])
    for name, frequency in (("A", 1e9), ("B", 2e9), ("A_WHT", 1e9)):
        hdu = fits.CompImageHDU(pixels(), name=name, quantize_level=16)
        hdu.header.update(CARDS | {"RESTFRQ": frequency})
        hdus.append(hdu)
    assert frequencies(write(hdus)) == [1e9, 2e9]
    assert opened(write(hdus))[1].passed_over == ("A_WHT",)


@pytest.mark.parametrize(
    "other",
    [
        extension("IMAGE_MASK"),
        extension("2", HDUCLAS2="ERROR"),
        extension("2", BUNIT="counts"),
        extension("2", CTYPE1="X", CTYPE2="Y"),
        extension("2"),
    ],
)
def test_what_tells_about_the_first_image_is_passed_over(other: fits.ImageHDU) -> None:
    _, image = opened(file_of(other))
    assert image.n_planes_of_file == 1
    assert image.passed_over == (other.name,)


def test_an_image_behind_its_mask_is_the_one_that_is_measured() -> None:
    hdus = fits.HDUList([fits.PrimaryHDU(), extension("MASK"), extension("SCI", 3 * pixels())])
    data, image = opened(write(hdus))
    np.testing.assert_array_equal(decode_pixels(data, image), 3 * pixels())
    assert image.passed_over == ("MASK",)


def test_a_file_of_maps_of_noise_alone_is_read_as_before() -> None:
    _, image = opened(write(fits.HDUList([fits.PrimaryHDU(), extension("RMS")])))
    assert image.passed_over == ()


def test_images_of_two_fields_of_one_mosaic_are_two() -> None:
    _, image = opened(file_of(extension("2", CRPIX1=96.0)))
    assert image.n_planes_of_file == 2


def test_an_extension_that_cannot_be_read_is_named() -> None:
    second = write(fits.HDUList([fits.PrimaryHDU(), extension("B")]))[2880:]
    (name,) = opened(file_of(tail=second[:800]))[1].passed_over
    assert "cut short" in name
    assert opened(file_of(tail=bytes(5000)))[1].passed_over == ()
    assert opened(make())[1].passed_over == ()

"""Images as archives deliver them: compressed files, tile-compressed images, cubes."""

import bz2
import io
import math
import zlib
from collections.abc import Iterator, Mapping

import numpy as np
from astropy.io import fits
from astropy.io.fits import Header

from sky.fits import FitsImage, inherit, parse_fits
from sky.fits_extensions import with_other_images
from sky.fits_pixels import stored_plane
from sky.header.axes import find_axis
from sky.header.cards import Cards, quiet_astropy
from sky.header.casa_beams import set_casa_beam
from sky.header.errors import HeaderError
from sky.header.spectral import SPECTRAL_TYPES
from sky.header.stokes import STOKES_TYPES

__all__ = [
    "HEADER_ROOM_BYTES",
    "decompress",
    "is_image_file",
    "open_fits",
    "refuse_large",
    "split_file",
    "split_planes",
]

# A limit of bytes counts pixels: headers, padding and small tables beside them are free.
HEADER_ROOM_BYTES = 1 << 20

_GZIP, _BZIP2, _FITS = b"\x1f\x8b", b"BZh", b"SIMPLE  ="
_BLOCK = 2880
_CHUNK = 1 << 20
# What describes the old layout, and sums that no longer hold.
_LAYOUT = ("XTENSION", "PCOUNT", "GCOUNT", "GROUPS", "INHERIT", "EXTNAME", "EXTVER", "CHECKSUM",
           "DATASUM", "CASAMBM", "EXTEND", "SIMPLE", "BITPIX", "NAXIS")  # fmt: skip


def is_image_file(head: bytes) -> bool:
    """Return whether a file that begins so may hold a FITS image, compressed or not."""
    return head.startswith((_GZIP, _BZIP2, _FITS))


def open_fits(data: bytes, cards: Mapping[str, str], *, max_bytes: int) -> tuple[bytes, FitsImage]:
    """Find the images of a file, compressed or not.

    Parameters
    ----------
    data : bytes
        A FITS file; gzip, bzip2 and tile compression (fpack) are undone.
    cards : mapping of str to str
        FITS cards to add or override.
    max_bytes : int
        Largest image: bytes of its pixels, all planes together.

    Returns
    -------
    bytes
        The unpacked FITS file; `data` itself where it was not packed.
    FitsImage
        Its first image of the sky, with the others.

    Raises
    ------
    HeaderError
        Codes of `parse_fits` and ``too_large``.
    """
    data = decompress(data, max_bytes=max_bytes + HEADER_ROOM_BYTES)
    try:
        image = parse_fits(data, cards)
    except HeaderError as error:
        if error.code != "tile_compressed":
            raise
        data = _expand_tiles(data, max_bytes)
        image = parse_fits(data, cards)
    image = with_other_images(data, image, cards)
    refuse_large(sum(each.n_bytes for each in (image, *image.others)), max_bytes)
    return data, image


def decompress(data: bytes, *, max_bytes: int, is_head: bool = False) -> bytes:
    """Return the bytes of a gzip or bzip2 file; others as they are.

    Parameters
    ----------
    data : bytes
        A file, or with `is_head` its beginning.
    max_bytes : int
        Largest result; with `is_head` the result ends there.
    is_head : bool
        Whether the rest of the file may be missing.

    Raises
    ------
    HeaderError
        Codes ``truncated``, ``damaged_file``, ``too_large``.
    """
    if not data.startswith((_GZIP, _BZIP2)):
        return data
    parts: list[bytes] = []
    size, packed = 0, data
    while packed.startswith((_GZIP, _BZIP2)):
        unpacker = bz2.BZ2Decompressor() if packed.startswith(_BZIP2) else _Gunzip()
        while not unpacker.eof:
            part = _next_part(unpacker, packed, is_head=is_head)
            if not part and not unpacker.eof:
                return b"".join(parts)  # the head ends here
            packed = b""
            parts.append(part)
            size += len(part)
            if size > max_bytes and is_head:
                return b"".join(parts)[:max_bytes]
            refuse_large(size, max_bytes)
        packed = unpacker.unused_data
    return b"".join(parts)


def refuse_large(size: int, max_bytes: int) -> None:
    """Refuse an image whose pixels have more bytes than the limit.

    Raises
    ------
    HeaderError
        Code ``too_large``.
    """
    if size > max_bytes:
        raise HeaderError(
            "too_large",
            f"the image has {size} bytes or more; the limit is {max_bytes} "
            "(LIVETRAP_INGEST__MAX_IMAGE_BYTES)",
        )


class _Gunzip:
    """The interface of `bz2.BZ2Decompressor` for gzip."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


def _next_part(unpacker: bz2.BZ2Decompressor | _Gunzip, packed: bytes, *, is_head: bool) -> bytes:
    """Return the next bytes; none at the end of a head."""
    try:
        part = unpacker.decompress(packed, _CHUNK)
    except (OSError, zlib.error, EOFError, ValueError) as error:
        raise HeaderError("damaged_file", f"the compressed file is damaged: {error}") from None
    if not part and not unpacker.eof and not is_head:
        raise HeaderError("truncated", "the compressed file is cut short; send it again")
    return part


def _expand_tiles(data: bytes, max_bytes: int) -> bytes:
    """Return a plain FITS file with the tile-compressed images of `data`.

    References
    ----------
    FITS 4.0, section 10.
    """
    try:
        with quiet_astropy(), fits.open(io.BytesIO(data), do_not_scale_image_data=True) as file:
            images = [hdu for hdu in file if isinstance(hdu, fits.CompImageHDU)]
            sizes = (math.prod(hdu.shape) * abs(int(hdu.header["BITPIX"])) // 8 for hdu in images)
            refuse_large(sum(sizes), max_bytes)
            primary = file[0].header
            plain = [
                _expanded(hdu, primary, is_extension=number > 0)
                for number, hdu in enumerate(images)
            ]
            return b"".join([*plain, *_beam_tables(file, data)])
    except HeaderError:
        raise
    except Exception as error:
        # astropy meets damaged tiles with a dozen classes of exception.
        raise HeaderError(
            "damaged_file",
            f"the tile-compressed image cannot be unpacked: {type(error).__name__} {error}",
        ) from error


def _expanded(image: fits.CompImageHDU, primary: Header, *, is_extension: bool) -> bytes:
    """Return an HDU of the pixels as they were before; BSCALE, BZERO and BLANK still count."""
    header, pixels = image.header.copy(), np.asarray(image.data)
    if Cards(header).flag("INHERIT"):
        inherit(header, primary)
    values = pixels.astype(pixels.dtype.newbyteorder(">"))
    bits = 8 * values.dtype.itemsize * (-1 if values.dtype.kind == "f" else 1)
    plain = _layout(header, bits, pixels.shape[::-1], is_extension=is_extension)
    if image.name:
        plain["EXTNAME"] = image.name
    if "CASAMBM" in header:
        plain["CASAMBM"] = header["CASAMBM"]
    return _with_padding(plain, values.tobytes())


def _beam_tables(file: fits.HDUList, data: bytes) -> Iterator[bytes]:
    """Yield CASA's tables of beams as they are in a file."""
    for hdu in file:
        if hdu.name == "BEAMS":
            place = hdu.fileinfo()
            yield data[place["hdrLoc"] : place["datLoc"] + place["datSpan"]]


def split_file(data: bytes, image: FitsImage) -> Iterator[bytes]:
    """Yield each plane of each image of a file as `split_planes` does."""
    for each in (image, *image.others):
        yield from split_planes(data, each)


def split_planes(data: bytes, image: FitsImage) -> Iterator[bytes]:
    """Yield each plane of a cube as a FITS file of its own, the last axis slowest.

    Parameters
    ----------
    data : bytes
        The FITS file in which `image` was found.
    image : FitsImage
        With one or more planes.

    Raises
    ------
    HeaderError
        Codes ``truncated``, ``not_2d``, ``bad_header``, ``bad_beam``.
    """
    rows, columns = image.shape
    n_bytes = rows * columns * abs(image.bitpix) // 8
    if len(data) < image.data_offset + n_bytes * image.n_planes:
        raise HeaderError(
            "truncated",
            f"the header promises {image.n_planes} planes of {n_bytes} bytes; the file is cut "
            "short",
        )
    _refuse_other_axes(image)
    for number in range(image.n_planes):
        header = _plane_header(image, number, data)
        yield _with_padding(header, stored_plane(data, image, number).tobytes())


@quiet_astropy()
def _refuse_other_axes(image: FitsImage) -> None:
    """Refuse a cube whose planes differ in more than frequency and Stokes parameter.

    A plane of an axis of time would have the date of the first, one of Obit's axis SPECLNMF may
    be a spectral index.
    """
    cards = Cards(image.header)
    for axis, length in enumerate(image.axes[2:], start=3):
        ctype = (cards.required_text(f"CTYPE{axis}") or "").upper()
        if length > 1 and not ctype.startswith((*SPECTRAL_TYPES, *STOKES_TYPES)):
            raise HeaderError(
                "not_2d",
                f"axis {axis} has {length} planes and CTYPE{axis} is {ctype or 'missing'}; only "
                "axes of frequency and of Stokes parameters can be split: send each plane as an "
                "image",
            )


@quiet_astropy()
def _plane_header(image: FitsImage, number: int, data: bytes) -> Header:
    header, cards = image.header.copy(), Cards(image.header)
    planes = dict(enumerate(image.indices(number), start=3))
    for axis, plane in planes.items():
        pixel = cards.required_number(f"CRPIX{axis}")
        if pixel is None and image.axes[axis - 1] > 1:
            raise cards.unreadable(f"CRPIX{axis}", "the reference pixel of the cube's axis")
        header[f"NAXIS{axis}"] = 1
        header[f"CRPIX{axis}"] = (1.0 if pixel is None else pixel) - plane
    spectral = find_axis(cards, SPECTRAL_TYPES) or 0
    if planes.get(spectral) is not None and image.axes[spectral - 1] > 1:
        _drop_band_of_cube(header, cards, spectral)
    set_casa_beam(
        header,
        data,
        channel=planes.get(spectral, 0),
        polarisation=planes.get(find_axis(cards, STOKES_TYPES) or 0, 0),
    )
    return _layout(header, image.bitpix, (*image.axes[:2], *(1 for _ in planes)))


def _drop_band_of_cube(header: Header, cards: Cards, axis: int) -> None:
    """Remove what LOFAR writes of the whole band; an axis of frequency needs none of it."""
    if (cards.required_text(f"CTYPE{axis}") or "").upper().startswith("FREQ"):
        for name in ("RESTFRQ", "RESTFREQ", "RESTWAV", "RESTBW"):
            header.remove(name, ignore_missing=True, remove_all=True)


def _layout(
    header: Header, bitpix: int, axes: tuple[int, ...], *, is_extension: bool = False
) -> Header:
    """Return the header of an image with these axes and the other cards of `header`."""
    kind = ("XTENSION", "IMAGE") if is_extension else ("SIMPLE", True)
    plain = Header([kind, ("BITPIX", bitpix), ("NAXIS", len(axes))])
    for number, length in enumerate(axes, start=1):
        plain[f"NAXIS{number}"] = length
    if is_extension:
        plain["PCOUNT"], plain["GCOUNT"] = 0, 1
    for card in header.cards:
        if card.keyword not in _LAYOUT and not card.keyword.startswith("NAXIS"):
            plain.append(card, end=True)
    return plain


def _with_padding(header: Header, pixels: bytes) -> bytes:
    text = str(header.tostring())
    return text.encode("ascii", "replace") + pixels + bytes(-len(pixels) % _BLOCK)

"""A header that is read by its parts says what it says as a whole, whatever was read before."""

import contextlib
from collections.abc import Mapping

import numpy as np
import pytest
from astropy.io.fits import Header
from hypothesis import example, given, settings
from hypothesis import strategies as st

import sky.stream_headers
from services.extract.steps.image_message import fits_cards
from sky.fits import FitsImage, parse_fits
from sky.fits_containers import open_fits
from sky.fits_pixels import decode_pixels
from sky.header.cards import Cards, quiet_astropy
from sky.header.celestial import to_wcs_header
from sky.header.errors import HeaderError
from sky.header.times import TIME_CARDS, read_exposure
from sky.metadata import read_beside_exposure, read_metadata
from sky.stream_headers import read_stream_header
from sky.wcs import SkyProjection
from tests.support.examples import examples
from tests.support.fits_images import make, several_images
from tests.support.fuzzing import SEED, n_mutants
from tests.support.mutants import image_mutant

Said = tuple[object, ...]
LIMIT = 1 << 20
UNREAD = ("DATE", "CHECKSUM", "DATASUM", "DATAMIN", "DATAMAX", "HISTORY", "COMMENT", "WSCNVIS", "")
PLACING = (
    "SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS3", "EXTEND", "PCOUNT", "GCOUNT", "INHERIT",
    "ZIMAGE", "CASAMBM", "BSCALE", "BZERO", "BLANK", "BUNIT", "BTYPE", "BMAJ", "BMIN", "BPA",
    "CLEANBMJ", "CTYPE1", "CTYPE3", "CRVAL1", "CRPIX1", "CDELT1", "CUNIT1", "CRVAL3", "PC1_2",
    "CD1_1", "CD1_3", "PV2_1", "LONPOLE", "RADESYS", "EQUINOX", "RESTFRQ", "RESTBW", "FREQ",
    "STOKES", "POL", "TELESCOP", "OBJECT", "EXTNAME", "XTENSION", "CONTINUE", "NOBODYS", "END",
)  # fmt: skip
VALUES = (
    "", "1", "2", "1.5", "0", "-32", "16", "T", "F", "nan", "1e999", "'unclosed", "'x: 1.5'",
    "'x.y: 3'", "'deg'", "'Jy/beam'", "'K'", "'FREQ'", "'STOKES'", "'RA---TAN'", "'IMAGE'",
    "'2026-01-01T00:00:01.5'", "'2026-01-01'", "'31/12/99'", "'06:07:08'", "'TAI'", "'d'",
    "60676.25", "'Q'", "1.5E8 / [MHz] of it", "3 / [s]", "'long&'", "'caf\xe9'", "\t1", "9" * 30,
)  # fmt: skip
# As a name and a value make a card.
FORMS = (
    "{name:<8}= {value}", "{name:<8}={value}", "{name:<8}  {value}", "HIERARCH {name} = {value}",
    "{name} = {value}",
)  # fmt: skip
AIPS_BEAM = "HISTORY AIPS   CLEAN BMAJ=  5.0000E-02 BMIN=  4.0000E-02 BPA=  10.00"


def card(text: str) -> bytes:
    return text.encode("latin-1")[:80].ljust(80)


def cards_of(data: bytes) -> list[bytes]:
    """Return the cards of a file's header, without END."""
    cards = [data[start : start + 80] for start in range(0, 1 << 16, 80)]
    return cards[: cards.index(card("END"))]


GOOD = cards_of(make())
EXPOSURE = read_exposure(Cards(Header.fromstring(make()[:2880])))
PIXELS = make()[2880:]


def file_of(cards: list[bytes], *, behind: bytes = b"") -> bytes:
    header = b"".join([*cards, card("END")])
    return header + b" " * (-len(header) % 2880) + PIXELS + behind


def said(data: bytes, fits: FitsImage, *others: object) -> Said:
    try:
        pixels: object = decode_pixels(data, fits).tobytes()
    except HeaderError as error:
        pixels = (error.code, str(error))
    places = fits.shape, fits.data_offset, fits.bitpix, fits.axes, fits.strides, fits.passed_over
    return *places, pixels, *others


def read_whole(data: bytes, cards: Mapping[str, str]) -> Said:
    """Return what a header says, as it is read that is not one of a stream."""
    try:
        data, fits = open_fits(data, cards, max_bytes=LIMIT)
        if fits.n_planes_of_file > 1:
            return ("several planes",)
        wcs_header = to_wcs_header(fits.header)
        SkyProjection.of(wcs_header)
        return said(data, fits, read_metadata(fits.header), wcs_header)
    except HeaderError as error:
        return error.code, str(error)


def read_parts(data: bytes, cards: Mapping[str, str]) -> Said | None:
    try:
        header = read_stream_header(data, cards, max_bytes=LIMIT)
    except HeaderError as error:
        return error.code, str(error)
    return header and said(data, header.fits, header.metadata, header.wcs_header)


def assert_same(data: bytes, cards: Mapping[str, str]) -> bool:
    """Compare, where the parts can be read; return whether they can."""
    parts = read_parts(data, cards)
    if parts is not None:
        assert repr(parts) == repr(read_whole(data, cards))
    return parts is not None


names = st.sampled_from(sorted(TIME_CARDS)) | st.sampled_from(UNREAD) | st.sampled_from(PLACING)
changes = st.tuples(
    names | names.map(str.lower),
    st.sampled_from(VALUES),
    st.sampled_from(FORMS) | st.just(FORMS[0]),
    st.integers(0, len(GOOD)),
    st.sampled_from(["replace", "insert", "drop"]),
)
Change = tuple[str, str, str, int, str]


def changed(cards: list[bytes], change: Change) -> list[bytes]:
    name, value, form, place, kind = change
    new = card(form.format(name=name, value=value))
    if kind == "insert":
        return [*cards[:place], new, *cards[place:]]
    kept = [each for each in cards if each[:8] != card(name)[:8]]
    return kept if kind == "drop" else [*kept, new]


@settings(max_examples=examples(1500))
@given(
    st.lists(st.lists(changes, min_size=1, max_size=3), min_size=1, max_size=6),
    st.sampled_from([(), (AIPS_BEAM,)]),
    st.dictionaries(st.sampled_from(["BMAJ", "date-obs", "TELESCOP", "x", "BUNIT"]),
                    st.sampled_from(["0.06", "K", "2026-01-01T00:00:09"]), max_size=1),
    st.sampled_from([b"", b"   7", b"XTENSION", make()]),
)  # fmt: skip
@example([[("BMAJ", "", "", 0, "drop")]], (AIPS_BEAM,), {}, b"")
@example([[("DATE-OBS", "'2026-01-01T00:00:01.5'", FORMS[0], 0, "insert")]], (), {}, b"")
@example([[("date-obs", "'2026-01-01'", FORMS[0], 3, "insert")]], (), {}, b"")
@example([[("DATE-OBS", "'2026-01-02'", FORMS[3], 3, "insert")]], (), {}, b"")
@example(
    [[("TELESCOP", "'long&'", FORMS[0], 0, "replace"), ("MJD-END", "'1&'", FORMS[0], 0, "replace"),
      ("CONTINUE", "'TAI'", FORMS[2], 0, "replace")]], (), {}, b"",
)  # fmt: skip
def test_headers_that_differ_in_cards_say_what_each_says_as_a_whole(
    sequence: list[list[Change]], history: tuple[str, ...], beside: dict[str, str], behind: bytes
) -> None:
    for differing in sequence:
        cards = [*GOOD, *map(card, history)]
        for change in differing:
            cards = changed(cards, change)
        assert_same(file_of(cards, behind=behind), beside)
    assert_same(file_of(GOOD, behind=behind), beside)


def test_damaged_images_say_by_parts_what_they_say_as_a_whole() -> None:
    n_by_parts = 0
    for number in range(n_mutants("images")):
        _, message = image_mutant(SEED, number)
        n_by_parts += assert_same(message.value, fits_cards(message.headers))
    assert n_by_parts > n_mutants("images") // 10


def times_of(second: int) -> list[bytes]:
    """Return the cards of an image of a stream, with what differs from the one before."""
    own = {
        "DATE-OBS": f"'2026-01-01T00:00:{second:02}.25'", "DATE": f"'2026-01-02T00:{second:02}'",
        "EXPTIME": f"{second}.5", "MJD-END": "61041.5", "DATAMAX": f"{second}.125",
        "CHECKSUM": f"'{second:016}'", "WSCNVIS": str(1000 + second),
    }  # fmt: skip
    kept = [each for each in GOOD if each[:8] != b"DATE-OBS"]
    made = [card(f"{name:<8}= {value}") for name, value in own.items()]
    return [*kept, *made, card(f"HISTORY wsclean -name image-{second}")]


def test_images_of_a_stream_have_the_cards_that_they_share_read_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = []

    def parse(data: bytes, cards: Mapping[str, str]) -> FitsImage:
        read.append(data)
        return parse_fits(data, cards)

    monkeypatch.setattr(sky.stream_headers, "parse_fits", parse)
    for beside in ({}, {"TELESCOP": "of-this-test"}):
        starts = set()
        for second in range(1, 40):
            data = file_of(times_of(second))
            header = read_stream_header(data, beside, max_bytes=LIMIT)
            assert header is not None
            assert assert_same(data, beside)
            starts.add((header.metadata.time_start, header.metadata.exposure_s))
        assert len(starts) == 39
    assert len(read) <= 2


@pytest.mark.parametrize(
    "data", [b"", make()[:800], several_images(), make(np.zeros((2, 64, 64), "f4")), b"SIMPLE  ="]
)
def test_files_that_are_no_single_image_are_read_as_a_whole(data: bytes) -> None:
    assert read_stream_header(data, {}, max_bytes=LIMIT) is None


def test_headers_of_strangers_do_not_fill_the_memory() -> None:
    many = [card(f"K{number:<7}= {number}") for number in range(300)]
    assert read_stream_header(file_of([*GOOD, *many]), {}, max_bytes=LIMIT) is None
    assert read_stream_header(make(), {"OBJECT": "a" * 5000}, max_bytes=LIMIT) is None
    lines = [card(f"HISTORY {number}") for number in range(300)]
    assert assert_same(file_of([*GOOD, *lines]), {})


def test_a_large_image_is_refused_before_its_date() -> None:
    data = make(**{"DATE-OBS": "never"})
    with pytest.raises(HeaderError, match="the limit is 1000") as refused:
        read_stream_header(data, {}, max_bytes=1000)
    assert refused.value.code == "too_large"
    with pytest.raises(HeaderError, match="cannot read DATE-OBS = 'never'"):
        read_stream_header(data, {}, max_bytes=LIMIT)


class Recorder(dict[str, object]):
    """The cards of a header, which notes the names that were asked for."""

    def __init__(self, cards: dict[str, object]) -> None:
        super().__init__(cards)
        self.asked: set[str] = set()

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return super().__contains__(name)

    def __getitem__(self, name: str) -> object:
        self.asked.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: object = None) -> object:  # type: ignore[override]
        self.asked.add(name)
        return super().get(name, default)


@settings(max_examples=examples(400))
@given(st.lists(changes, max_size=4))
def test_times_are_read_of_their_own_cards_and_nothing_else_is(differing: list[Change]) -> None:
    cards = GOOD
    for change in differing:
        cards = changed(cards, change)
    asked = []
    for read in (read_exposure, lambda each: read_beside_exposure(each, EXPOSURE)):
        with quiet_astropy():
            header = Cards(Header.fromstring(b"".join(cards).decode("ascii", "replace")))
            header._cards = recorder = Recorder(header._cards)  # type: ignore[assignment,arg-type]
            with contextlib.suppress(HeaderError):
                read(header)
            asked.append(recorder.asked)
    assert asked[0] <= TIME_CARDS
    assert not asked[1] & (TIME_CARDS | set(UNREAD) - {"HISTORY"})

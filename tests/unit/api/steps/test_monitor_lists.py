"""Lists of positions to monitor: what is understood, and what is refused with a reason."""

import csv
import io
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.steps.monitor_lists import (
    LIST_FORMATS,
    MonitorColumns,
    MonitorListError,
    read_monitor_list,
)

CSV, VOTABLE = "text/csv", "application/x-votable+xml"
FIELDS = (
    '<FIELD name="target" ucd="meta.id;meta.main" datatype="char" arraysize="*"/>'
    '<FIELD name="alpha" ucd="pos.eq.ra;meta.main" datatype="double" unit="deg"/>'
    '<FIELD name="delta" ucd="pos.eq.dec;meta.main" datatype="double" unit="deg"/>'
    '<FIELD name="mu_a" ucd="pos.pm;pos.eq.ra" datatype="double" unit="arcsec/yr"/>'
)
ROW = "<TR><TD>Barnard</TD><TD>269.4</TD><TD>4.7</TD><TD>-0.8</TD></TR>"


def votable(rows: str = ROW, *, fields: str = FIELDS, head: str = "") -> bytes:
    return (
        f'<?xml version="1.0"?>{head}<VOTABLE version="1.4" '
        'xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
        f"{fields}<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    ).encode()


def test_a_votable_is_understood_by_its_ucds_and_units() -> None:
    assert read_monitor_list(votable(), VOTABLE) == MonitorColumns(
        ["Barnard"], [269.4], [4.7], [-800.0], [0.0], [2000.0]
    )


def test_a_csv_is_understood_by_usual_names() -> None:
    text = "\ufeff# of Gaia\r\nRA, DEC, pmRA, ref_epoch, source_id\r\n-10, 5, , 2016.0, 7\r\n\r\n"
    assert read_monitor_list(text.encode(), CSV) == MonitorColumns(
        ["7"], [350.0], [5.0], [0.0], [0.0], [2016.0]
    )


KEYS = ("ra", "dec", "pm_ra_cosdec_mas_yr", "pm_dec_mas_yr", "epoch_yr")
NUMBERS = st.fixed_dictionaries(
    {
        "ra": st.floats(-360, 360),
        "dec": st.floats(-90, 90),
        "pm_ra_cosdec_mas_yr": st.floats(-1e5, 1e5),
        "pm_dec_mas_yr": st.floats(-1e5, 1e5),
        "epoch_yr": st.floats(1800, 2200),
    }
)


@given(st.lists(st.tuples(st.text(st.characters(categories=["L", "N"])), NUMBERS), min_size=1))
def test_both_formats_give_what_was_written(rows: list[tuple[str, dict[str, float]]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    names = ["name", *KEYS]
    writer.writerow(names)
    writer.writerows([name, *(repr(numbers[key]) for key in KEYS)] for name, numbers in rows)
    fields = "".join(f'<FIELD name="{name}"/>' for name in names)
    cells = "".join(
        f"<TR><TD>{escape(name)}</TD>"
        + "".join(f"<TD>{numbers[key]!r}</TD>" for key in KEYS)
        + "</TR>"
        for name, numbers in rows
    )
    found = read_monitor_list(text.getvalue().encode(), CSV)
    assert found == read_monitor_list(votable(cells, fields=fields), VOTABLE)
    assert found.dec == [numbers["dec"] for _, numbers in rows]
    assert all(0 <= ra < 360 for ra in found.ra)


@given(st.binary(max_size=200), st.sampled_from(sorted(LIST_FORMATS)))
def test_no_bytes_raise_anything_else(data: bytes, media_type: str) -> None:
    try:
        found = read_monitor_list(data, media_type)
    except MonitorListError:
        return
    assert len(found.ra) == len(found.name) > 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("ra,dec\n", "no rows"),
        ("ra,name\n1,x\n", "no column dec"),
        ("ra,dec\n1,2\n12h30m,4\n", "row 2: ra is '12h30m'; give a number from -360 to 360"),
        ("ra,dec\n1,91\n", "row 1: dec"),
        ("ra,dec\n1\n", "row 1: dec is ''"),
        ("ra,dec\nnan,1\n", "row 1: ra"),
        ("ra,dec,pmra\n1,1,inf\n", "row 1: pm_ra_cosdec_mas_yr"),
        ("ra,dec,epoch\n1,1,58000\n", "row 1: epoch_yr is '58000'; give a number from 1800"),
        ("ra,dec\n1," + "9" * 200_000 + "\n", "no CSV"),
    ],
)
def test_a_wrong_csv_says_where(text: str, words: str) -> None:
    with pytest.raises(MonitorListError, match=words):
        read_monitor_list(text.encode(), CSV)


BOMB = '<!DOCTYPE v [<!ENTITY a "9"><!ENTITY b "&a;&a;&a;">]>'
FILE = '<!DOCTYPE v [<!ENTITY a SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<VOTABLE", "no XML"),
        (b"<VOTABLE/>", "no TABLE"),
        (b"\xff\xfe\x00", "no XML"),
        (votable("").replace(b"TABLEDATA", b"BINARY2"), "TABLEDATA"),
        (votable(fields=FIELDS.replace("deg", "hourangle")), "'hourangle'; give it in one of deg"),
        (votable(ROW.replace("4.7", "&b;"), head=BOMB), "row 1: dec is ''"),
        (votable(ROW.replace("4.7", "&a;"), head=FILE), "row 1: dec is ''"),
        (b"<a>" * 10_000, "no XML"),
    ],
)
def test_a_wrong_votable_says_what(data: bytes, words: str) -> None:
    with pytest.raises(MonitorListError, match=words):
        read_monitor_list(data, VOTABLE)


def test_a_table_may_claim_any_length() -> None:
    data = votable().replace(b"<TABLE>", b'<TABLE nrows="9999999999999">')
    assert len(read_monitor_list(data, VOTABLE).ra) == 1

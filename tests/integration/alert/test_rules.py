"""Rules in Python and in SQL are the same rules; catalogues that they ask; the command line."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import numpy as np
import pytest
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livetrap.cli import run
from rules.explain import to_text
from rules.expression import parse
from rules.predicate import is_true
from rules.quantities import QUANTITIES, facts_of
from rules.sql import SqlCondition
from runtime.errors import SettingsError
from schemas.event_json import event_from_json, event_to_json
from schemas.messages import SourceEvent
from tests.support.examples import examples
from tests.support.vtp_events import source_event

NUMBERS = [name for name, each in QUANTITIES.items() if each.kind == "number"]
TEXTS = [name for name, each in QUANTITIES.items() if each.kind == "text"]
FLAGS = [name for name, each in QUANTITIES.items() if each.kind == "flag"]
TEXTS_OF_EVENTS = [
    "new_source",
    "variable",
    "update",
    "night",
    "I",
    "certain",
    "",
    "it's",
    'a"b',
    "ü",
]

values = st.sampled_from([0.0, 1.0, 8.0, 45.6, -0.5, 1e-3, 25.0]) | st.floats(-1e6, 1e6)
signs = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
texts = st.sampled_from(TEXTS_OF_EVENTS)
names_of_texts = st.sampled_from(TEXTS)


def texts_of(name: str) -> st.SearchStrategy[str]:
    """Return texts that a quantity may be compared with."""
    choices = [each.replace(":N", ":8") for each in QUANTITIES[name].choices]
    return st.sampled_from(choices or TEXTS_OF_EVENTS)


compared_texts = names_of_texts.flatmap(
    lambda name: st.builds(
        "{} {} {!r}".format, st.just(name), st.sampled_from(["==", "!="]), texts_of(name)
    )
)
listed_texts = names_of_texts.flatmap(
    lambda name: st.builds(
        "{} in {!r}".format, st.just(name), st.lists(texts_of(name), min_size=1)
    )
)
leaves = st.one_of(
    st.builds("{} {} {!r}".format, st.sampled_from(NUMBERS), signs, values),
    st.builds("{} {} {}".format, st.sampled_from(NUMBERS), signs, st.sampled_from(NUMBERS)),
    st.builds("{!r} < {} <= {!r}".format, values, st.sampled_from(NUMBERS), values),
    compared_texts,
    listed_texts,
    st.builds("{} not in {!r}".format, st.sampled_from(NUMBERS), st.lists(values, min_size=1)),
    st.sampled_from(FLAGS),
    st.builds(
        "within({!r}, {!r}, {!r})".format,
        st.floats(-400, 400), st.floats(-90, 90), st.floats(0.01, 180),
    ),
)  # fmt: skip
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("(not {})".format, inner),
    ),
    max_leaves=8,
)
maybe = values | st.sampled_from([float("nan"), float("inf"), 5e-324, 1e308])
events = st.builds(
    lambda **changes: source_event(salt="rules", **changes),
    kind=st.sampled_from(["new_source", "variable", "update", "retraction"]),
    transient_kind=st.sampled_from(["", "new_source", "variable"]),
    certainty=st.sampled_from(["certain", "possible"]),
    stream=texts, telescope=st.none() | texts,
    snr=maybe, eta=maybe, v=maybe, flux_peak_jy_beam=maybe, flux_int_jy=maybe,
    limit_previous_jy_beam=st.none() | maybe, edge_distance_deg=st.none() | maybe,
    quality_flags=st.integers(0, 63), n_bands=st.integers(1, 9), n_datapoints=st.integers(0, 99),
    ra=st.floats(-400, 400), dec=st.floats(-90, 90),
)  # fmt: skip


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    made = await asyncpg.connect(postgres_url)
    yield made
    await made.close()


def test_python_and_sql_say_the_same(postgres_url: str) -> None:
    loop = asyncio.new_event_loop()
    made = loop.run_until_complete(asyncpg.connect(postgres_url))

    @settings(max_examples=examples(400), suppress_health_check=list(HealthCheck))
    @given(text=expressions, event=events)
    def check(text: str, event: SourceEvent) -> None:
        node = parse(text)
        assert parse(to_text(node)) == node
        condition = SqlCondition(n_before=1)
        statement = f"select {condition.of(node)} from (select $1::text::jsonb as event) as e"  # noqa: S608
        answer = loop.run_until_complete(
            made.fetchval(statement, event_to_json(event), *condition.parameters)
        )
        assert answer is is_true(node, facts_of(event))

    try:
        check()
    finally:
        loop.run_until_complete(made.close())
        loop.close()


@given(event=events)
def test_an_event_survives_its_json(event: SourceEvent) -> None:
    again = event_from_json(event_to_json(event))
    assert facts_of(again) == facts_of(event)
    assert (again.times, again.time_start) == (event.times, event.time_start)


PLACES = [
    (0.0, 0.0),
    (0.001, 0.0),
    (359.9999, 10.0),
    (10.0, 89.9999),
    (200.0, -90.0),
    (50.0, 0.4999),
]


@pytest.mark.parametrize(
    ("ra", "dec", "radius_arcsec", "expected"),
    [
        (0.0005, 0.0, 2.0, True),
        (0.0005, 0.0, 1.0, False),
        (0.0001, 10.0, 1.0, True),
        (-0.0001, 10.0, 1.0, True),
        (720.0, 0.0, 0.001, True),
        (190.0, 89.9999, 1.0, True),
        (190.0, 89.9999, 0.5, False),
        (20.0, -89.9999, 0.5, True),
        (50.0, 0.5001, 1.0, True),
        (50.0, -0.5001, 3599.0, False),
    ],
)
async def test_reference_catalogues_at_0h_the_poles_and_borders_of_zones(
    connection: asyncpg.Connection, ra: float, dec: float, radius_arcsec: float, *, expected: bool
) -> None:
    transaction = connection.transaction()
    await transaction.start()
    try:
        number = await connection.fetchval(
            "insert into reference_catalogue (name, n_sources) values ('edge', 6) returning id"
        )
        await connection.copy_records_to_table(
            "reference_source",
            records=[(number, int(np.floor(dec / 0.5)), ra, dec) for ra, dec in PLACES],
            columns=["catalogue_id", "zone", "ra", "dec"],
        )
        found = await connection.fetchval(
            "select matches_reference('edge', $1, $2, $3)", ra, dec, radius_arcsec
        )
        assert found is expected
    finally:
        await transaction.rollback()


@pytest.mark.parametrize("name", ["a.vot", "a.fits", "a.csv"])
def test_catalogues_are_read_from_the_usual_files(tmp_path: Path, name: str) -> None:
    from astropy import units

    from livetrap.operator.reference_catalogues import read_catalogue

    path = tmp_path / name
    table = Table({"id": [1, 2], "RAJ2000": [1.5, 359.0], "DEJ2000": [-3.0, 4.0]})
    if name != "a.csv":
        table["RAJ2000"].unit = table["DEJ2000"].unit = units.deg
    table.write(path, format="votable" if name == "a.vot" else None)
    found = read_catalogue(path)
    assert (found.ra.tolist(), found.dec.tolist()) == ([1.5, 359.0], [-3.0, 4.0])
    assert found.names == ["1", "2"]


@pytest.mark.parametrize(("unit", "factor"), [("mJy", 1e-3), ("Jy", 1.0), ("mJy/beam", 1e-3)])
def test_names_and_fluxes_are_read_by_ucd_or_by_name(
    tmp_path: Path, unit: str, factor: float
) -> None:
    from livetrap.operator.reference_catalogues import CatalogueColumns, read_catalogue

    table = Table({"ra": [1.0, 2.0], "dec": [3.0, 4.0], "NVSS": ["a", "b"], "S14": [5.0, 6.0]})
    table.write(tmp_path / "plain.csv")
    plain = read_catalogue(tmp_path / "plain.csv")
    assert plain.names == [None, None]
    assert np.isnan(plain.flux_jy).all()
    named = read_catalogue(
        tmp_path / "plain.csv", CatalogueColumns(name="NVSS", flux="S14", flux_unit=unit)
    )
    assert named.names == ["a", "b"]
    assert named.flux_jy == pytest.approx([5.0 * factor, 6.0 * factor])
    with pytest.raises(SettingsError, match="--flux-unit"):
        read_catalogue(tmp_path / "plain.csv", CatalogueColumns(flux="S14"))
    with pytest.raises(SettingsError, match="no flux density in m"):
        read_catalogue(tmp_path / "plain.csv", CatalogueColumns(flux="S14", flux_unit="m"))
    table["NVSS"].meta["ucd"] = "meta.id;meta.main"
    table["S14"].meta["ucd"], table["S14"].unit = "phot.flux.density;em.radio", "mJy"
    table.write(tmp_path / "known.vot", format="votable")
    known = read_catalogue(tmp_path / "known.vot")
    assert known.names == ["a", "b"]
    assert known.flux_jy == pytest.approx([5e-3, 6e-3])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "no column is known to be pos.eq.ra"),
        ("ra,dec\n1,91\n", "1 of 1 rows have no position"),
        ("ra,dec\nx,1\n", "is no angle"),
        ("ra,dec\n", "have no position"),
    ],
)
def test_a_wrong_catalogue_is_refused_with_words(
    tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert run(["catalogues", "load", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_rules_are_checked_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["rules", "check"]) == 0
    assert "certain new source" in capsys.readouterr().out
    assert run(["rules", "show"]) == 0
    path = tmp_path / "copy.toml"
    path.write_text(capsys.readouterr().out)
    assert run(["rules", "check", str(path)]) == 0
    path.write_text("[[rule]]\nname = 'a'\nwhen = 'sigma > 3'\n")
    assert run(["rules", "check", str(path)]) == 2
    assert "sigma is no known quantity" in capsys.readouterr().err
    path.write_text("[[rule]]\nname = 'a'\nwhen = 'snr > 3'\nrole = 'injection'\n")
    assert run(["rules", "check", str(path)]) == 0
    assert "role injection" in capsys.readouterr().out
    assert run(["rules", "quantities"]) == 0
    assert "snr " in capsys.readouterr().out
    assert run(["rules", "dry-run", "--since", "yesterday"]) == 2

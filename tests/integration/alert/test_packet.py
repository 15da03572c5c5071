"""Packets of a night, read as a follow-up observer would who has nothing else."""

import io
import json
import re
import struct
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import fastavro
import pytest
from astropy.table import Table

from livetrap.operator.reference_catalogues import CatalogueColumns, load_catalogue, read_catalogue
from rules.rule_set import load_rules
from runtime.settings import AlertSettings, load_settings
from schemas.codec import encode_source_event
from schemas.messages import ImageDetections, NegativePeaks, SourceEvent
from schemas.registry import current_version
from services.alert.handlers.transients import TransientHandler
from services.alert.storage import AlertStore
from tests.support.alert_sender import MemorySender
from tests.support.association import Associator, associator
from tests.support.records import BEAM_MAJOR_DEG, image, sources

STEADY, NEW = (123.0, 10.0), (123.5, 10.2)
LOW_HZ, HIGH_HZ = 120e6, 160e6
DAY_S = 86_400.0


def shot(step: float, freq_hz: float, flux_jy: float | None) -> ImageDetections:
    """Return an image of a steady source and, with a flux, of a new one."""
    if flux_jy is None:
        return image(step, [STEADY], freq_eff_hz=freq_hz)
    measured = sources([STEADY, NEW], flux_jy=[0.015, flux_jy], pos_err_arcsec=1.0)
    return image(step, measured, freq_eff_hz=freq_hz)


async def alert(site: Associator, *events: SourceEvent) -> list[dict[str, Any]]:
    """Give events, or all, to an alert service; return the rows of its alerts."""
    handler = TransientHandler(
        AlertSettings(authority="org.test", contact_email="on.call@example.org"),
        rules=lambda: load_rules(None), store=AlertStore(site.pool), sender=MemorySender(),
    )  # type: ignore[arg-type]  # fmt: skip
    for event in events or site.events:
        await handler.on_events([encode_source_event(event)])
    return await site.rows("select * from alert where stream = $1 order by id", site.stream)


def read_packet(packet: bytes) -> dict[str, Any]:
    """Return an Avro packet as a consumer of the newest schema reads it."""
    magic, schema_id = struct.unpack_from(">bI", packet)
    version = current_version("alert_packet")
    assert (magic, schema_id) == (0, version.schema_id)
    record = fastavro.schemaless_reader(io.BytesIO(packet[5:]), version.load(), None)
    assert isinstance(record, dict)
    return record


@pytest.fixture
def catalogue(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a reference catalogue with a source 20 arcsec north of the new one."""
    monkeypatch.setenv("LIVETRAP_POSTGRES__URL", postgres_url)
    path = tmp_path / "near.csv"
    Table(
        {"ra": [NEW[0], 10.0], "dec": [NEW[1] + 20 / 3600, 10.0], "name": ["3C 1", "3C 2"],
         "flux": [7.5, 8.5]}
    ).write(path)  # fmt: skip
    columns = CatalogueColumns(flux="flux", flux_unit="mJy")
    load_catalogue(load_settings(), "near", read_catalogue(path, columns))
    return "near"


async def test_a_new_source_answers_what_an_observer_asks(
    postgres_url: str, catalogue: str
) -> None:
    async with associator(postgres_url, window_timeout_s=30.0) as site:
        for step, (low, high) in enumerate([(None, None), (None, None), (0.04, 0.02)]):
            await site.feed(shot(step, LOW_HZ, low), shot(step, HIGH_HZ, high))
        (event,) = site.events
        (row,) = await alert(site)
    notice = json.loads(row["notice"])
    # Brighter or fainter, and by how much.
    assert (notice["flux_change"], notice["flux_change_against"]) == ("brighter", "limit")
    assert notice["flux_factor"] == pytest.approx(0.04 / event.limit_previous_jy_beam, rel=1e-5)
    assert notice["limit_previous_time"].startswith("2012-01-01")
    assert notice["last_non_detection"].startswith("2012-01-02")
    # All bands, and the spectrum.
    bands = [
        (each["freq_mhz"], each["flux_peak_jy_beam"], each["is_headline"])
        for each in notice["bands"]
    ]
    assert bands == [(120.0, 0.04, True), (160.0, 0.02, False)]
    assert notice["spectral_index"] == pytest.approx(-2.41, abs=0.01)
    # Where to point, with what field.
    assert notice["systematic_err_deg"] == pytest.approx(0.1 * BEAM_MAJOR_DEG, rel=1e-4)
    assert notice["ra_stat_err_deg"] == pytest.approx(1 / 3600 / 2**0.5, rel=0.01)
    assert notice["position_a_error"] < 60 / 3600
    assert notice["field_distance_deg"] == pytest.approx(0.531, abs=0.01)
    assert notice["catalogue_matches"][0]["catalogue"] == catalogue
    assert notice["catalogue_matches"][0]["distance_arcsec"] == pytest.approx(20, abs=0.1)
    assert notice["catalogue_matches"][0]["source_name"] == "3C 1"
    assert notice["catalogue_matches"][0]["flux_jy"] == pytest.approx(0.0075)
    # How old, how fast, how sure, whom to ask.
    assert notice["rise_time_max_s"] == pytest.approx(DAY_S, rel=1e-3)
    assert 0 < notice["false_alarms_per_day"] < 10
    assert 0 < notice["importance"] < 0.9
    assert notice["contact_email"] == "on.call@example.org"
    assert re.fullmatch(r"LT 2012[A-Z]+ J0814\+101[12]", notice["event_name"][0])


@pytest.mark.parametrize(("bad_hz", "n_a_day"), [(LOW_HZ, 40.0), (HIGH_HZ, 0.0)])
async def test_false_alarms_are_expected_from_the_negative_peaks_of_the_band(
    postgres_url: str, bad_hz: float, n_a_day: float
) -> None:
    searched = {
        LOW_HZ: NegativePeaks(0, (), 100.0),
        HIGH_HZ: NegativePeaks(0, (), 100.0),
        # Of these 40 only 32 are listed; one of S/N 5 says nothing about an event of 40.
        bad_hz: NegativePeaks(40, (1000.0,) * 32, 100.0),
    }
    faint = {LOW_HZ: NegativePeaks(1, (5.0,), 100.0), HIGH_HZ: NegativePeaks(1, (5.0,), 100.0)}
    async with associator(postgres_url, window_timeout_s=30.0) as site:
        for step, (low, high) in enumerate([(None, None), (None, None), (0.04, 0.02)]):
            negative = searched if step else faint
            await site.feed(
                replace(shot(step, LOW_HZ, low), negative_peaks=negative[LOW_HZ]),
                replace(shot(step, HIGH_HZ, high), negative_peaks=negative[HIGH_HZ]),
            )
        (row,) = await alert(site)
        (stored,) = await site.rows(
            "select n_negative_peaks, cardinality(negative_snr) as n_listed, searched_deg2 "
            "from image where stream_id = (select id from stream where name = $1) "
            "and freq_eff_hz = $2 order by time_start desc limit 1", site.stream, bad_hz,
        )  # fmt: skip
    assert tuple(stored.values()) == (40, 32, 100.0)
    notice = json.loads(row["notice"])
    assert notice["false_alarms_per_day"] == pytest.approx(n_a_day + 0.5 / 2, rel=1e-3)
    assert (notice["importance"] > 0.5) == (not n_a_day)


async def test_an_alert_expects_what_was_known_at_its_time(postgres_url: str) -> None:
    async with associator(postgres_url) as site:
        for step, flux in enumerate((None, None, 0.04)):
            await site.feed(shot(step, LOW_HZ, flux))
        (event,) = site.events
        (row,) = await alert(site)
        # Images and retractions that come before the alert is made again.
        site.events.clear()
        peaks = NegativePeaks(40, (1000.0,) * 32, 100.0)
        await site.feed(replace(shot(2.9, LOW_HZ, None), negative_peaks=peaks))
        await site.rows("delete from alert where stream = $1", site.stream)
        await site.rows(
            "update transient set state = 'retracted' where trig_id = $1", event.trig_id
        )
        (again,) = await alert(site, event)
        # An hour later it counts.
        later = replace(
            event, time_start=event.time_start + timedelta(hours=1), event_id="d" * 32,
            trig_id="e" * 16, kind="new_source",
        )  # fmt: skip
        (_, after) = await alert(site, later)
    first, second, third = (json.loads(each["notice"]) for each in (row, again, after))
    said = ("false_alarms_per_day", "far", "n_retracted_here", "importance")
    assert [second[each] for each in said] == [first[each] for each in said]
    assert (first["n_retracted_here"], third["n_retracted_here"]) == (0, 1)
    assert third["false_alarms_per_day"] > first["false_alarms_per_day"]
    assert third["importance"] < first["importance"]


async def test_a_variable_source_has_its_history_in_every_format(postgres_url: str) -> None:
    async with associator(postgres_url) as site:
        for step in range(12):
            await site.feed(image(step, sources([STEADY], flux_jy=0.03), salt=site.stream))
        await site.feed(image(12, sources([STEADY], flux_jy=0.09), salt=site.stream))
        rows = await alert(site)
    notice = json.loads(rows[-1]["notice"])
    assert notice["kind"] == "variable"
    assert (notice["n_looks"], notice["n_detections"]) == (12, 12)
    assert (notice["last_flux_jy_beam"], notice["mean_flux_jy_beam"]) == (0.03, 0.03)
    assert notice["flux_factor"] == pytest.approx(3.0)
    assert (notice["flux_change"], notice["flux_change_against"]) == ("brighter", "expected")
    record = read_packet(rows[-1]["avro_packet"])
    assert [each["flux_peak_jy_beam"] for each in record["previous"]] == [0.03] * 12
    times = [each["time_start"] for each in record["previous"]]
    assert times == sorted(times, reverse=True)
    assert [each["flux_peak_jy_beam"] for each in record["timestep"]] == [0.09]


async def test_more_looks_than_a_packet_has_are_counted(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with associator(postgres_url) as site:
        for step in range(12):
            await site.feed(image(step, sources([STEADY], flux_jy=0.03), salt=site.stream))
        await site.feed(image(12, sources([STEADY], flux_jy=0.09), salt=site.stream))
        await site.feed(image(13, sources([STEADY], flux_jy=0.03), salt=site.stream))
        # As if the newest measurements were all that is read, and the oldest ones were away.
        await site.pool.execute(
            "delete from detection where time_start < (select max(time_start) from detection "
            "where stream_id = $1) - interval '5 days' and stream_id = $1",
            await site.pool.fetchval("select id from stream where name = $1", site.stream),
        )
        rows = await alert(site)
    (notice,) = [
        found for row in rows if (found := json.loads(row["notice"]))["kind"] == "variable"
    ]
    assert (notice["n_looks"], notice["n_detections"]) == (12, 12)
    assert notice["seen_for_s"] >= 12 * DAY_S


async def test_an_update_has_the_stamps_that_the_first_alert_could_not_have(
    postgres_url: str,
) -> None:
    async with associator(postgres_url) as site:
        for step, flux in enumerate((None, 0.04)):
            await site.feed(shot(step, LOW_HZ, flux))
        (event,) = site.events
        (first,) = await alert(site)
        await site.pool.execute(
            "insert into stamp (stamp_id, trig_id, role, transient_id, source_id, stream_id, ra, "
            "dec, state, time_requested, time_answered) select trig_id || '-' || role, trig_id, "
            "role, id, source_id, stream_id, ra, dec, 'stored', now(), now() from transient "
            "cross join (values ('now'), ('before')) as each (role) where trig_id = $1",
            event.trig_id,
        )
        await site.pool.execute(
            "insert into stamp_file select stamp_id, convert_to(role, 'utf8') from stamp "
            "where trig_id = $1", event.trig_id,
        )  # fmt: skip
        update = replace(event, kind="update", transient_kind="new_source", event_id="f" * 32)
        second = (await alert(site, update))[-1]
    assert read_packet(first["avro_packet"])["stamps"] == []
    assert second["revision"] == 1
    stamps = read_packet(second["avro_packet"])["stamps"]
    assert [(each["name"], each["fits"]) for each in stamps] == [
        ("before", b"before"), ("now", b"now"),
    ]  # fmt: skip


async def test_what_comes_after_an_event_is_not_in_its_alert(postgres_url: str) -> None:
    async with associator(postgres_url) as site:
        for step, flux in enumerate((None, 0.02, 0.021, 0.5)):
            await site.feed(shot(step, LOW_HZ, flux))
        rows = await alert(site)  # the service was away until now
    notice = json.loads(rows[0]["notice"])
    assert (notice["n_looks"], notice["flux_change_against"]) == (0, "limit")
    assert [each["flux_peak_jy_beam"] for each in notice["bands"]] == [0.02]
    names = {json.loads(row["notice"])["event_name"][0] for row in rows}
    assert len(names) == 1

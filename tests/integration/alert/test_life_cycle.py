"""First alert, update, retraction: what changes is alerted again, what was wrong is retracted."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from livetrap.cli import run
from rules.rule_set import RuleSet, load_rules, parse_rules
from runtime.settings import AlertSettings
from schemas.codec import encode_source_event
from schemas.messages import ImageDetections, SourceEvent
from schemas.quality import QualityFlag
from schemas.topics import Topics
from services.alert.handlers.transients import TransientHandler
from services.alert.storage import AlertStore
from tests.support.alert_sender import MemorySender
from tests.support.association import Associator, associator
from tests.support.forced_results import measure, store
from tests.support.records import image, sources
from tests.support.voevent import cited_ivorns, read_packet

STEADY, NEW = (123.0, 10.0), (123.5, 10.2)


@pytest.fixture(autouse=True)
def reach_the_database(postgres_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIVETRAP_POSTGRES__URL", postgres_url)
    monkeypatch.setenv("LIVETRAP_DATA_DIR", str(tmp_path / "no-stack"))


async def livetrap(*arguments: str) -> int:
    """Run a command beside this event loop, as a process would."""
    return await asyncio.to_thread(run, list(arguments))


def shot(step: float, flux_jy: float | None, **changes: Any) -> ImageDetections:
    """Return an image of a steady source and, with a flux, of another one."""
    if flux_jy is None:
        return image(step, [STEADY], **changes)
    return image(step, sources([STEADY, NEW], flux_jy=[0.015, flux_jy]), **changes)


async def see(site: Associator, *fluxes: float | None) -> list[SourceEvent]:
    """Feed one timestep a flux; return the events."""
    for step, flux in enumerate(fluxes):
        await site.feed(shot(step, flux))
    return site.events


async def relay(site: Associator) -> None:
    """Wait until the associator has polled the outbox for the messages of commands."""
    n_before = len(site.events)
    async with asyncio.timeout(60):
        while len(site.events) == n_before:
            await asyncio.sleep(0.1)
            await site.settle()


async def alert(
    site: Associator,
    heard: list[bytes] | None = None,
    *,
    rules: RuleSet | None = None,
    **settings: int,
) -> list[dict[str, Any]]:
    """Give all events to an alert service; return the rows of its alerts, oldest first."""
    handler = TransientHandler(
        AlertSettings(authority="org.test", **settings),
        rules=lambda: rules or load_rules(None),
        store=AlertStore(site.pool), sender=MemorySender(heard),
    )  # type: ignore[arg-type]  # fmt: skip
    for event in site.events:
        await handler.on_events([encode_source_event(event)])
    return await site.rows("select * from alert where stream = $1 order by id", site.stream)


async def test_a_large_rise_makes_an_update(postgres_url: str) -> None:
    async with associator(postgres_url) as site:
        events = await see(site, None, 0.02, 0.021, 0.029, 0.031, 0.04, 0.047, 0.01)
        assert [(event.kind, round(event.snr)) for event in events] == [
            ("new_source", 20), ("update", 31), ("update", 47),
        ]  # fmt: skip
        assert {event.trig_id for event in events} == {events[0].trig_id}
        assert len({event.event_id for event in events}) == 3
        assert events[1].transient_kind == "new_source"
        assert events[1].note == "S/N 31.0, last reported 20.0"
        assert events[1].transient_id == events[0].transient_id


async def test_a_detection_in_more_bands_makes_an_update(postgres_url: str) -> None:
    async with associator(postgres_url, window_timeout_s=30.0) as site:
        for step, fluxes in enumerate([(None, None), (0.02, None), (0.02, 0.02), (0.02, 0.02)]):
            low, high = (
                shot(step, flux, freq_eff_hz=freq)
                for flux, freq in zip(fluxes, (120e6, 160e6), strict=True)
            )
            await site.feed(low, high)
            # The second band has 8 mJy where it detects nothing: no spectrum is excluded.
            for request in site.requests:
                await store(site, measure(request, 0.008))
            site.requests.clear()
            await site.settle()
        assert [(event.kind, event.n_bands) for event in site.events] == [
            ("new_source", 1), ("update", 2),
        ]  # fmt: skip
        assert site.events[1].note == "detected in 2 bands at once, last reported 1"


async def test_a_corrected_position_makes_an_update(postgres_url: str) -> None:
    async with associator(
        postgres_url, beamwidths_limit=3.0, systematic_position_error_arcsec=1.0
    ) as site:
        await site.feed(shot(0, None))
        # Notified with an error of 10 arcsec; a better measurement is 35 arcsec to the north.
        await site.feed(image(1, sources([STEADY, NEW], flux_jy=[0.015, 0.02])))
        right = NEW[0], NEW[1] + 35 / 3600
        for step in (2, 3):
            measured = sources([STEADY, right], flux_jy=[0.015, 0.02], pos_err_arcsec=1.0)
            await site.feed(image(step, measured))
        first, update = site.events
        assert (first.kind, update.kind) == ("new_source", "update")
        assert abs(update.dec - right[1]) * 3600 < 0.5
        assert update.note == "34.7 arcsec (3.4 sigma) from the position last reported"


@pytest.mark.parametrize(
    ("settings", "kinds"),
    [
        ({"max_updates": 1}, ["new_source", "update"]),
        ({"max_updates": 0}, ["new_source"]),
        ({"update_cool_down_s": 1.5 * 86400}, ["new_source", "update"]),
        ({"update_snr_factor": 10.0}, ["new_source", "update"]),
    ],
)
async def test_updates_are_bounded(
    postgres_url: str, settings: dict[str, float], kinds: list[str]
) -> None:
    async with associator(postgres_url, **settings) as site:
        events = await see(site, None, 0.02, 0.04, 0.2)
        assert [event.kind for event in events] == kinds


async def test_a_late_image_is_no_news(postgres_url: str) -> None:
    async with associator(postgres_url) as site:
        await see(site, None, 0.02, 0.02, 0.02)
        await site.feed(shot(1.5, 0.5))
        assert [event.kind for event in site.events] == ["new_source"]


async def test_a_replay_repeats_no_event(postgres_url: str) -> None:
    async with associator(postgres_url) as site:
        await see(site, None, 0.02, 0.04)
        await site.feed(shot(2, 0.04))
        assert [event.kind for event in site.events] == ["new_source", "update"]


async def test_an_alert_is_updated_and_retracted(
    postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with associator(postgres_url) as site:
        events = await see(site, None, 0.02, 0.04)
        family = events[0].trig_id
        assert await livetrap("alerts", "retract", family, "--reason", "side lobe of Cyg A") == 0
        assert capsys.readouterr().out == f"retracted {family}\n"
        await relay(site)
        assert [event.kind for event in site.events] == ["new_source", "update", "retraction"]
        heard: list[bytes] = []
        rows = await alert(site, heard)
        assert [(row["alert_type"], row["revision"]) for row in rows] == [
            ("initial", 0), ("update", 1), ("retraction", 2),
        ]  # fmt: skip
        assert len({row["trig_id"] for row in rows}) == 1
        first, update, retraction = (read_packet(packet) for packet in heard)
        assert first.find("Citations") is None
        assert cited_ivorns(update) == {"supersedes": [rows[0]["ivorn"]]}
        assert cited_ivorns(retraction) == {"retraction": [rows[0]["ivorn"], rows[1]["ivorn"]]}
        assert retraction.findtext("Why/Description") == "side lobe of Cyg A"
        notice = json.loads(rows[2]["notice"])
        assert notice["alert_type"] == "retraction"
        assert notice["update_message"] == "side lobe of Cyg A"
        assert notice["latency_s"]["total"] is None
        # An update is complete: it has all that the first one had.
        assert names_of(first) - {"rule"} <= names_of(update)
        (transient,) = await site.rows(
            "select state, retraction_reason from transient where trig_id = $1", family
        )
        assert transient == {"state": "retracted", "retraction_reason": "side lobe of Cyg A"}

        capsys.readouterr()  # the log until here
        assert await livetrap("alerts", "list", family) == 0
        listed = capsys.readouterr().out.splitlines()
        assert [line.split()[2] for line in listed] == ["retraction", "update", "initial"]
        assert await livetrap("alerts", "show", rows[0]["ivorn"]) == 0
        assert capsys.readouterr().out.encode() == heard[0]


INJECTED = """
[[rule]]
name = "ours"
when = "kind == 'new_source'"
role = "injection"
[[rule]]
name = "any"
when = "snr > 0"
"""


async def test_an_injected_source_is_a_test_from_first_to_last(
    postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with associator(postgres_url) as site:
        events = await see(site, None, 0.02, 0.04)
        name = f"{events[0].trig_id}-varies"
        site.events.append(
            replace(events[0], kind="variable", transient_kind="variable", event_id=name)
        )
        command = ["alerts", "retract", events[0].trig_id, "--reason", "we put it there"]
        assert await livetrap(*command) == 0
        await relay(site)
        heard: list[bytes] = []
        rows = await alert(site, heard, rules=parse_rules(INJECTED, "test"))
        assert [(row["alert_type"], row["rule"]) for row in rows] == [
            ("initial", "ours"), ("update", None), ("subsequent", "any"), ("retraction", None),
        ]  # fmt: skip
        assert {row["role"] for row in rows} == {"test"}
        assert {json.loads(row["notice"])["alert_tense"] for row in rows} == {"injection"}
        assert {read_packet(packet).get("role") for packet in heard} == {"test"}


def names_of(packet: etree._Element) -> set[str | None]:
    return {each.get("name") for each in packet.iter("Param")}


async def test_a_retracted_source_makes_no_more_events(
    postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with associator(postgres_url) as site:
        (first,) = await see(site, None, 0.02)
        number = str(first.transient_id)
        assert await livetrap("alerts", "retract", number, "--reason", "bad") == 0
        await relay(site)
        await site.feed(shot(2, 0.5))
        assert [event.kind for event in site.events] == ["new_source", "retraction"]
        assert await livetrap("alerts", "retract", number, "--reason", "again") == 2
        assert "is retracted already" in capsys.readouterr().err


async def test_an_image_is_retracted_with_all_it_created(
    postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with associator(postgres_url) as site:
        await site.feed(image(0, [STEADY]))
        bad = image(
            1,
            sources([STEADY, NEW, (122.5, 9.5), (123.2, 9.8)], flux_jy=[0.015, 0.03, 0.03, 0.03]),
            salt=site.stream,
        )
        await site.feed(bad)
        await site.feed(image(2, sources([STEADY, (122.4, 10.4)], flux_jy=[0.015, 0.03])))
        assert len(site.events) == 4
        command = ["alerts", "retract", "--image", bad.image_id, "--reason", "bad calibration"]
        assert await livetrap(*command) == 0
        assert len(capsys.readouterr().out.splitlines()) == 3
        rows = await site.rows(
            "select state from transient join stream on stream.id = stream_id "
            "where stream.name = $1 order by transient.id", site.stream
        )  # fmt: skip
        assert [row["state"] for row in rows] == ["retracted"] * 3 + ["active"]


async def test_the_retraction_of_a_source_without_an_alert_is_not_sent(postgres_url: str) -> None:
    async with associator(postgres_url) as site:
        (first,) = await see(site, None, 0.02)
        weak = replace(first, snr=5.0)
        site.events[:] = [weak, replace(weak, kind="retraction", event_id="f" * 32)]
        assert await alert(site) == []


async def test_an_update_can_be_the_first_alert(postgres_url: str) -> None:
    async with associator(postgres_url) as site:
        (first,) = await see(site, None, 0.02)
        strong = replace(first, kind="update", transient_kind="new_source", event_id="e" * 32)
        site.events[:] = [replace(first, snr=5.0), strong]
        rows = await alert(site)
        assert [(row["alert_type"], row["rule"]) for row in rows] == [
            ("initial", "certain new source")
        ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing", "--reason", "x"], "no transient 'nothing'"),
        (["--image", "0" * 64, "--reason", "x"], "no transient"),
        (["1", "--reason", "   "], "--reason has"),
        (["1", "--reason", "x" * 501], "--reason has"),
        (["1", "--reason", "not\udcffutf-8"], "--reason has"),
        (["--reason", "x"], "give one of"),
        (["1", "--image", "a", "--reason", "x"], "give one of"),
        (["1"], "--reason"),
    ],
)
def test_a_wrong_command_retracts_nothing(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["alerts", "retract", *arguments]) == 2
    assert message in capsys.readouterr().err


PLACES = [(122.0 + 0.2 * column, 9.0 + 0.2 * row) for row in range(6) for column in range(4)]


@pytest.mark.parametrize(
    ("settings", "n_sent", "phrase"),
    [
        ({"max_per_image": 5}, 0, "brought 24 candidates, more than 5"),
        ({"max_per_minute": 5}, 5, "more than 5 candidates"),
    ],
)
async def test_a_storm_is_suppressed_and_announced_and_released(
    postgres_url: str, settings: dict[str, int], n_sent: int, phrase: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    async with associator(postgres_url) as site:
        await site.feed(image(0, salt=site.stream))
        await site.feed(image(1, sources(PLACES, flux_jy=0.03), salt=site.stream))
        assert len(site.events) == len(PLACES)
        heard: list[bytes] = []
        rows = await alert(site, heard, **settings)
        assert [row["kind"] for row in rows] == ["new_source"] * n_sent + ["storm"]
        assert len(heard) == n_sent + 1
        storm = read_packet(heard[-1])
        assert storm.get("role") == "utility"
        assert phrase in (storm.findtext("Why/Description") or "")
        assert float(storm.findtext(".//Position2D/Error2Radius") or "nan") == 180
        # Notified again, as Kafka does after a crash: nothing more happens.
        assert await alert(site, heard, **settings) == rows
        assert len(heard) == n_sent + 1

        capsys.readouterr()
        assert await livetrap("alerts", "suppressed", "--json") == 0
        suppressed = [
            each for each in json.loads(capsys.readouterr().out) if each["stream"] == site.stream
        ]
        assert {each["event_id"] for each in suppressed} == {
            e.event_id for e in site.events[n_sent:]
        }
        site.events.clear()
        assert await livetrap("alerts", "release", suppressed[0]["event_id"]) == 0
        assert await livetrap("alerts", "release", "--image", suppressed[0]["image_id"]) == 0
        assert await livetrap("alerts", "release", "--image", suppressed[0]["image_id"]) == 2
        await relay(site)
        rows = await alert(site, heard, **settings)
        assert len(rows) == len(PLACES) + 1
        assert len({row["trig_id"] for row in rows}) == len(rows)


async def test_the_best_of_a_storm_are_sent_when_no_operator_decides(postgres_url: str) -> None:
    async with associator(postgres_url) as site:
        await site.feed(image(0, salt=site.stream))
        flux_jy = [0.03 + 0.001 * number for number in range(len(PLACES))]
        await site.feed(image(1, sources(PLACES, flux_jy=flux_jy), salt=site.stream))
        assert [row["kind"] for row in await alert(site, max_per_image=5)] == ["storm"]
        best = sorted(site.events, key=lambda event: event.snr)[-2:]
        site.events.clear()
        store, topic = AlertStore(site.pool), Topics().transients
        early = await store.release_storms(after_s=3600, n_events=2, topic=topic)
        assert not {each.event_id for each in best} & set(early)
        released = await store.release_storms(after_s=0, n_events=2, topic=topic)
        assert {each.event_id for each in best} <= set(released)
        assert await store.release_storms(after_s=0, n_events=2, topic=topic) == []
        await relay(site)
        site.events[:] = [event for event in site.events if event.stream == site.stream]
        rows = await alert(site, max_per_image=5)
        assert {row["event_id"] for row in rows[1:]} == {each.event_id for each in best}
        releases = [json.loads(row["notice"])["storm_release"] for row in rows]
        assert releases == [None, "automatic", "automatic"]


async def test_side_lobes_of_a_bright_source_are_one_group_that_waits_for_an_operator(
    postgres_url: str,
) -> None:
    bright, elsewhere = (123.0, 10.0), (124.4, 9.1)
    offsets_deg = [(0.3, 0.1), (0.1, -0.4), (0.5, 0.2)]
    lobes = [
        (bright[0] + sign * east, bright[1] + sign * north)
        for east, north in offsets_deg
        for sign in (1, -1)
    ]
    async with associator(postgres_url) as site:
        await site.feed(image(0, sources([bright], flux_jy=5.0), salt=site.stream))
        flux_jy = [5.0, *[0.03] * (len(lobes) + 1)]
        measured = sources([bright, *lobes, elsewhere], flux_jy=flux_jy)
        await site.feed(image(1, measured, salt=site.stream))
        flagged = [event for event in site.events if event.quality_flags & QualityFlag.SIDE_LOBE]
        assert len(flagged) == len(lobes)
        assert len(site.events) == len(lobes) + 1
        rows = await alert(site)
        assert sorted(row["kind"] for row in rows) == ["new_source", "storm"]
        [storm] = [json.loads(row["notice"]) for row in rows if row["kind"] == "storm"]
        assert "side lobes of a bright source" in json.dumps(storm)
        store, topic = AlertStore(site.pool), Topics().transients
        assert await store.release_storms(after_s=0, n_events=2, topic=topic) == []
        assert await livetrap("alerts", "release", "--image", flagged[0].image_id) == 0


async def test_a_retracted_candidate_is_no_longer_listed_as_suppressed(
    postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with associator(postgres_url) as site:
        await site.feed(image(0, salt=site.stream))
        await site.feed(image(1, sources(PLACES, flux_jy=0.03), salt=site.stream))
        await alert(site, max_per_image=5)
        wrong, *rest = site.events
        assert await livetrap("alerts", "retract", wrong.trig_id, "--reason", "a side lobe") == 0
        capsys.readouterr()
        assert await livetrap("alerts", "suppressed", "--json") == 0
        suppressed = [
            each for each in json.loads(capsys.readouterr().out) if each["stream"] == site.stream
        ]
        assert {each["event_id"] for each in suppressed} == {event.event_id for event in rest}
        assert await livetrap("alerts", "release", wrong.event_id) == 2
        assert await livetrap("alerts", "release", "--image", wrong.image_id) == 0
        assert len(capsys.readouterr().out.splitlines()) == len(rest)

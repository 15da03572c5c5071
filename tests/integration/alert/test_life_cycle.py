"""First alert, update, retraction: what changes is alerted again, what was wrong is retracted."""

import json
from dataclasses import replace

import pytest
from lxml import etree

from livetrap.cli import run
from rules.rule_set import parse_rules
from tests.support.association import associator
from tests.support.forced_results import measure, store
from tests.support.life_cycle import NEW, STEADY, alert, livetrap, relay, see, shot
from tests.support.records import image, sources
from tests.support.voevent import cited_ivorns, read_packet

pytestmark = pytest.mark.usefixtures("reach_the_database")


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
        # Who let one of them pass by its importance hears of its end.
        importance = [float(each.find("Why").get("importance")) for each in (first, update)]
        assert float(retraction.find("Why").get("importance")) == max(importance) > 0
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

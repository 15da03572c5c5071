"""Many candidates at once: held, announced, and released by an operator or after a time."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from schemas.messages import ForcedMeasurements
from schemas.quality import QualityFlag
from schemas.topics import Topics
from services.alert.storage import AlertStore
from tests.support.association import associator
from tests.support.forced_results import measure, store
from tests.support.life_cycle import alert, livetrap, relay
from tests.support.look_back_cases import FAINT_JY, LOOKBACK, take_look_backs
from tests.support.records import image, sources
from tests.support.voevent import read_packet

FIELD = (123.0, 10.0)
PLACES = [(122.0 + 0.2 * column, 9.0 + 0.2 * row) for row in range(6) for column in range(4)]


pytestmark = pytest.mark.usefixtures("reach_the_database")


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
        centre = tuple(
            float(storm.findtext(f".//Value2/{axis}") or "nan") for axis in ("C1", "C2")
        )
        assert centre == FIELD
        assert not {"peak_flux", "snr"} & {str(each.get("name")) for each in storm.iter("Param")}
        # Notified again, as Kafka does after a crash: nothing more happens.
        assert repr(await alert(site, heard, **settings)) == repr(rows)  # NaN equals NaN so
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


async def test_side_lobes_that_come_one_after_the_other_are_the_same_group(
    postgres_url: str,
) -> None:
    bright = (123.0, 10.0)
    offsets_deg = [(0.3, 0.1), (0.1, -0.4), (0.5, 0.2), (-0.2, 0.45)]
    lobes = [
        (bright[0] + sign * east, bright[1] + sign * north)
        for east, north in offsets_deg
        for sign in (1, -1)
    ]
    async with associator(postgres_url) as site:
        for step, n_lobes in enumerate([0, 4, 6, 8]):
            flux_jy = [5.0, *[0.03] * n_lobes]
            measured = sources([bright, *lobes[:n_lobes]], flux_jy=flux_jy)
            await site.feed(image(step / 10, measured, salt=site.stream))
        assert [event.kind for event in site.events] == ["new_source"] * len(lobes)
        rows = await alert(site)
        assert [row["kind"] for row in rows] == ["storm"]


async def test_a_lobe_that_is_likely_false_is_held_from_the_second_on(postgres_url: str) -> None:
    bright, lobe, opposite = (123.0, 10.0), (123.3, 10.1), (122.7, 9.9)
    async with associator(postgres_url) as site:
        for step, lobes in enumerate(([], [lobe], [lobe, opposite])):
            measured = sources([bright, *lobes], flux_jy=[5.0, *[0.03] * len(lobes)])
            measured = replace(measured, p_false=np.array([0.0, *[0.8] * len(lobes)]))
            await site.feed(image(step / 10, measured, salt=site.stream))
        flags = [event.quality_flags & QualityFlag.SIDE_LOBE for event in site.events]
        assert [bool(each) for each in flags] == [False, True]
        rows = await alert(site)
        assert [row["kind"] for row in rows] == ["new_source", "storm"]


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


def part_of(result: ForcedMeasurements, first: int, stop: int) -> ForcedMeasurements:
    """Return the measurements at some of the places."""
    columns = result.measurements
    chosen = {each.name: getattr(columns, each.name)[first:stop] for each in fields(columns)}
    return replace(result, measurements=replace(columns, **chosen))


@pytest.mark.parametrize(
    ("flux_of_others_jy", "kinds"),
    [(0.03, ["storm"]), (FAINT_JY, ["new_source"] * 10)],
    ids=["new by limit", "only their looks back can tell"],
)
async def test_new_sources_that_wait_for_their_look_back_count(
    postgres_url: str, flux_of_others_jy: float, kinds: list[str]
) -> None:
    """Ten of 24 are told before the others: together they are a storm of more than 15."""
    n_first, n_others = 10, len(PLACES) - 10
    async with associator(postgres_url, **LOOKBACK) as site:
        for step in range(4):
            await site.feed(image(step, salt=site.stream))
        site.requests.clear()
        flux_jy = [0.03] * n_first + [flux_of_others_jy] * n_others
        await site.feed(image(4, sources(PLACES, flux_jy=flux_jy), salt=site.stream))
        results = [measure(request) for request in take_look_backs(site)]
        assert {len(each.measurements.reason) for each in results} == {len(PLACES)}
        for each in results:
            await store(site, part_of(each, 0, n_first))
        await site.settle()
        assert len(site.events) == n_first
        rows = await alert(site, max_per_image=15)
        assert [row["kind"] for row in rows] == kinds
        for each in results:
            await store(site, part_of(each, n_first, len(PLACES)))
        await site.settle()
        assert len(site.events) == len(PLACES)
        if kinds == ["storm"]:
            rows = await alert(site, max_per_image=15)
            assert [row["kind"] for row in rows] == ["storm"]


@pytest.mark.parametrize("limit", ["max_per_image", "max_per_minute"])
async def test_what_is_suppressed_names_what_its_notice_is_about(
    postgres_url: str, limit: str
) -> None:
    async with associator(postgres_url) as site:
        await site.feed(image(0, salt=site.stream))
        await site.feed(image(1, sources(PLACES, flux_jy=0.03), salt=site.stream))
        await alert(site, **{limit: 5})
        found = await site.rows(
            "select distinct storm from suppressed_event where stream = $1", site.stream
        )
        (event, *_) = site.events
    minute = event.time_start.strftime("%Y-%m-%dT%H:%MZ")
    assert found == [{"storm": event.image_id if limit == "max_per_image" else minute}]

"""What a packet says beside its event: bands, spectral index, neighbours, as the notice does."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from services.alert.models import CatalogueMatch, ContextRows, EventContext
from services.alert.steps.alert import build_alert
from services.alert.steps.context import build_context, find_spectral_index
from tests.support.alert_contexts import full_context, point_at
from tests.support.event_contexts import (
    EVENT,
    RMS_JY_BEAM,
    SETTINGS,
    THRESHOLD,
    context_of,
    looked,
    notice_of,
)
from tests.support.examples import examples
from tests.support.records import wcs_header
from tests.support.vtp_events import DECISION, START, source_event

positive = st.floats(1e-4, 10.0)
numbers = st.floats() | st.sampled_from([0.0, -0.0, 5e-324, 1e-200, 1e200, math.nan, math.inf])


def test_all_bands_of_the_timestep_are_given_and_which_is_the_headline() -> None:
    far_away = looked(4, 0, 170e6, wcs_header=wcs_header(10.0, -46.6, 200, 0.02))
    images = (looked(1), looked(2, 0.1, 150e6), looked(3, 0.2, 160e6), far_away)
    forced = point_at(
        0.1, 150e6, image_key=2, band_id=2, extraction_type="forced",
        flux_peak_jy_beam=-0.01, snr=-0.5,
    )  # fmt: skip
    before = point_at(-1, image_key=9)
    found = notice_of(context_of(point_at(), forced, before, images=images))
    said = [
        (band["freq_mhz"], band["extraction_type"], band["flux_peak_jy_beam"], band["is_headline"])
        for band in found["bands"]
    ]
    assert said == [
        (140.0, "blind", 0.5, True),
        (150.0, "forced", -0.01, False),
        (160.0, "limit", None, False),
    ]
    assert [band["limit_jy_beam"] for band in found["bands"]] == pytest.approx(
        [THRESHOLD * RMS_JY_BEAM] * 3
    )


def test_what_is_measured_after_a_first_detection_is_not_in_its_alert() -> None:
    images = (looked(1), looked(2, 0.1, 150e6))
    look_back = point_at(-1, image_key=9, extraction_type="lookback")
    blind = point_at()
    later = point_at(0.1, 150e6, image_key=2, band_id=2, extraction_type="forced")
    answered, unanswered = (
        context_of(blind, *points, look_back, images=images) for points in ((later,), ())
    )
    assert answered == unanswered
    assert [each.point for each in answered.bands] == [blind, None]
    # A retraction is about the forced flux of its own image.
    own = replace(later, image_key=1)
    assert context_of(own, look_back, images=images).bands[0].point == own


def test_of_many_bands_the_headline_stays() -> None:
    context = full_context(30)
    weak = [
        replace(band, is_headline=number == 0, point=point_at(snr=float(number)))
        for number, band in enumerate(context.bands)
    ]
    found = notice_of(replace(context, bands=tuple(weak)))["bands"]
    assert [band["is_headline"] for band in found] == [True] + [False] * 11
    assert [band["snr"] for band in found] == [0.0, *map(float, range(19, 30))]


@given(index=st.floats(-3, 3), flux=positive, n=st.integers(2, 6))
def test_a_power_law_has_its_index(index: float, flux: float, n: int) -> None:
    points = [
        point_at(0, freq, flux_peak_jy_beam=flux * (freq / 1e8) ** index,
                 flux_peak_err_jy_beam=flux * (freq / 1e8) ** index / 50)
        for freq in np.linspace(1e8, 3e8, n).tolist()
    ]  # fmt: skip
    found = find_spectral_index(points)
    assert found is not None
    assert found.value == pytest.approx(index, abs=1e-6)
    assert found.err > 0


def test_one_frequency_or_a_weak_flux_has_no_index() -> None:
    assert find_spectral_index([point_at(), point_at()]) is None
    assert find_spectral_index([point_at(), point_at(0, 150e6, flux_peak_jy_beam=0.05)]) is None
    assert find_spectral_index([point_at(), point_at(0, 150e6, flux_peak_err_jy_beam=0.0)]) is None


@pytest.mark.parametrize("n_bands", [4, 12])
def test_packet_and_notice_say_the_same_in_less_than_10_kb(n_bands: int) -> None:
    event = source_event(
        kind="update", note="S/N 30, last reported 12", edge_distance_deg=1.0,
        time_limit_previous=START, position_systematic_err_deg=0.0009,
    )  # fmt: skip
    alert = build_alert(
        event, SETTINGS, DECISION, START, revision=1, context=full_context(n_bands),
        event_name="LT 2026A J0812+5012",
    )  # fmt: skip
    assert len(alert.voevent) < 10_000
    assert len(alert.notice) < 10_000
    root, notice = etree.fromstring(alert.voevent), json.loads(alert.notice)
    for group in ("localization", "history", "significance", "links"):
        rows = root.findall(f"What/Group[@name='{group}']/Param")
        assert len(rows) > 1
        for row in rows:
            value = notice[str(row.get("name"))]
            assert type(value)(row.get("value")) == value
    for table in ("bands", "catalogue_matches"):
        found = root.find(f"What/Table[@name='{table}']")
        assert found is not None
        names = [field.get("name") for field in found.iterfind("Field")]
        lines = [[cell.text for cell in row] for row in found.iterfind("Data/TR")]
        assert [dict(zip(names, line, strict=True)) for line in lines] == [
            {name: str(value).lower() if isinstance(value, bool) else str(value)
             for name, value in each.items() if name not in ("flux_int_jy", "flux_int_err_jy")}
            for each in notice[table]
        ]  # fmt: skip
    assert root.find("What/Param[@name='event_name']").get("value") == notice["event_name"][0]
    assert notice["catalogue_matches"][0]["catalogue"] == "nvss"


def test_the_nearest_source_of_each_catalogue_comes_first() -> None:
    matches = tuple(CatalogueMatch(name, 1.0, 2.0, d) for name, d in (("a", 9.0), ("b", 3.0)))
    context = build_context(EVENT, ContextRows(matches=matches))
    assert [each["catalogue"] for each in notice_of(context)["catalogue_matches"]] == ["b", "a"]


@settings(max_examples=examples(100))
@given(st.lists(st.tuples(*[numbers] * 5), max_size=4), st.lists(st.tuples(*[numbers] * 5)))
def test_any_measurements_make_a_context_and_a_packet(
    now: list[tuple[float, ...]], before: list[tuple[float, ...]]
) -> None:
    names = ("flux_peak_jy_beam", "flux_peak_err_jy_beam", "snr", "rms_local_jy_beam",
             "flux_int_jy")  # fmt: skip
    images = tuple(looked(1 + number, 0, 140e6 + 1e7 * number) for number in range(4))
    points = [
        point_at(
            0, 140e6 + 1e7 * number, image_key=1 + number, **dict(zip(names, each, strict=True))
        )
        for number, each in enumerate(now)
    ] + [
        point_at(-1 - number, image_key=10 + number, **dict(zip(names, each, strict=True)))
        for number, each in enumerate(before)
    ]
    found = notice_of(context_of(*points, images=images))
    assert len(found["bands"]) == 4
    assert found["n_looks"] == len(before)


def test_nothing_known_is_no_obstacle() -> None:
    found = notice_of(EventContext(), limit_previous_jy_beam=None)
    assert (found["flux_change"], found["bands"], found["n_looks"]) == ("unknown", [], 0)
    assert "far" not in found
    assert "limiting_flux_density" not in found

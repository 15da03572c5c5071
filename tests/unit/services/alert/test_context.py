"""What a packet says beside its event: bands, history, place, how sure."""

import json
import math
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from scipy.special import ndtr

from runtime.settings import AlertSettings
from services.alert.models import (
    CatalogueMatch,
    ContextRows,
    Decision,
    EventContext,
    FalseAlarmCounts,
    LookedImage,
    SourceTotals,
    Timestep,
)
from services.alert.steps.alert import build_alert
from services.alert.steps.context import (
    build_context,
    expect_false_alarms,
    expect_false_changes,
    find_spectral_index,
)
from services.alert.steps.event_name import format_event_name, to_letters
from services.alert.steps.localization import find_localization
from services.alert.steps.rule import weigh
from tests.support.alert_contexts import full_context, point_at
from tests.support.examples import examples
from tests.support.records import wcs_header
from tests.support.vtp_events import DECISION, START, source_event

SETTINGS = AlertSettings(
    authority="org.test", public_url="https://livetrap.example.org", contact_name="On call",
    contact_email="on.call@example.org",
)  # fmt: skip
EVENT = source_event()
RMS_JY_BEAM, THRESHOLD = 0.02, 8.0
positive = st.floats(1e-4, 10.0)


def looked(key: int, step: float = 0.0, freq_hz: float = 140e6, **changes: Any) -> LookedImage:
    """Return an image around the event, some 10 s steps after it."""
    image = LookedImage(
        image_key=key, image_id=EVENT.image_id if key == 1 else f"{key:064x}", band_id=key,
        time_start=START + timedelta(seconds=10 * step), exposure_s=8.0, freq_eff_hz=freq_hz,
        freq_bw_hz=2e6, stokes="I", wcs_header=wcs_header(123.4, 46.6, 200, 0.02),
        shape=(200, 200), margin_px=10, threshold_sigma=THRESHOLD,
        rms_grid=np.full((2, 2), RMS_JY_BEAM), field_ra=123.4, field_dec=46.6,
    )  # fmt: skip
    return replace(image, **changes)


def context_of(*points: Any, **changes: Any) -> EventContext:
    """Return the context of the event in an image of its own."""
    timestep = Timestep(1, looked(1), (looked(1),))
    rows = ContextRows(replace(timestep, **changes), points)
    return build_context(EVENT, rows)


def notice_of(context: EventContext, event: Any = EVENT, **changes: Any) -> dict[str, Any]:
    built = build_alert(
        replace(event, **changes), SETTINGS, DECISION, START, revision=0, context=context
    )
    found: dict[str, Any] = json.loads(built.notice)
    return found


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


def test_the_history_of_the_source_is_given() -> None:
    quiet = [
        point_at(-step, image_key=10 + step, extraction_type="forced", flux_peak_jy_beam=0.1,
                 flux_peak_err_jy_beam=0.02, snr=5.0)
        for step in (1, 2, 3, 4)
    ]  # fmt: skip
    bright = point_at(-5, image_key=20, flux_peak_jy_beam=0.3, flux_peak_err_jy_beam=0.02)
    other_band = point_at(-1, image_key=30, band_id=9, flux_peak_jy_beam=9.0)
    later = point_at(1, image_key=40, flux_peak_jy_beam=9.0)
    found = notice_of(context_of(point_at(), *quiet, bright, other_band, later))
    assert (found["n_looks"], found["n_detections"]) == (5, 1)
    assert (found["last_flux_jy_beam"], found["last_flux_type"]) == (0.1, "forced")
    assert found["last_flux_time"] == "2026-03-01T11:59:50.250Z"
    assert found["mean_flux_jy_beam"] == pytest.approx((4 * 0.1 + 0.3) / 5)
    assert found["mean_flux_err_jy_beam"] == pytest.approx(0.02 / math.sqrt(5), rel=1e-5)
    assert (found["flux_change"], found["flux_change_against"]) == ("brighter", "mean")
    assert found["flux_factor"] == pytest.approx(0.5 / 0.14, rel=1e-5)
    assert found["last_non_detection"] == "2026-03-01T11:59:50.250Z"
    assert found["rise_time_max_s"] == pytest.approx(10.0)
    assert found["seen_for_s"] == pytest.approx(58.0)


def test_a_new_source_is_brighter_than_the_limit_before_at_least() -> None:
    earlier = (looked(5, -3), looked(6, -4))
    context = context_of(point_at(), earlier=earlier)
    found = notice_of(context, time_limit_previous=START - timedelta(days=2))
    assert (found["flux_change"], found["flux_change_against"]) == ("brighter", "limit")
    assert found["flux_factor"] == pytest.approx(5.0)
    assert found["limiting_flux_density"] == pytest.approx(0.1e-23)
    assert found["limit_previous_time"] == "2026-02-27T12:00:00.250Z"
    assert found["limit_previous_freq_mhz"] == 140.0
    assert found["last_non_detection"] == "2026-03-01T11:59:30.250Z"
    assert (found["last_flux_jy_beam"], found["n_looks"]) == (None, 0)
    away = context_of(point_at(), earlier=(looked(5, -3, wcs_header=wcs_header(0, 0, 200, 0.02)),))
    assert notice_of(away)["last_non_detection"] is None


def test_a_fainter_source_says_so() -> None:
    before = [point_at(-step, image_key=10 + step, flux_peak_jy_beam=2.0) for step in (1, 2)]
    found = notice_of(context_of(point_at(), *before), kind="faded")
    assert found["flux_change"] == "fainter"
    assert found["flux_factor"] == pytest.approx(0.25)
    assert found["flux_change_sigma"] < -50


def test_noise_below_zero_is_fainter_by_no_factor() -> None:
    before = [point_at(-step, image_key=10 + step, flux_peak_jy_beam=2.0) for step in (1, 2)]
    context = context_of(point_at(), *before)
    found = notice_of(context, kind="vanished", flux_peak_jy_beam=-0.006)
    assert (found["flux_change"], found["flux_factor"]) == ("fainter", None)


@given(
    stat=st.floats(1e-7, 1.0), floor=st.floats(0.0, 0.1), beam=st.floats(1e-4, 1.0),
    ratio=st.floats(1.0, 10.0),
)  # fmt: skip
def test_the_systematic_error_is_a_tenth_of_the_beam_whatever_association_used(
    stat: float, floor: float, beam: float, ratio: float
) -> None:
    event = source_event(
        ra_err_deg=math.hypot(ratio * stat, floor), dec_err_deg=math.hypot(stat, floor),
        position_systematic_err_deg=floor, beam_major_deg=beam,
    )  # fmt: skip
    found = find_localization(event, SETTINGS)
    scale = math.sqrt(-2 * math.log(0.1))
    assert found.systematic_deg == pytest.approx(0.1 * beam)
    assert found.dec_stat_deg == pytest.approx(stat, rel=1e-6, abs=1e-8 * max(floor, 1e-8))
    assert found.major_deg == pytest.approx(scale * math.hypot(ratio * stat, 0.1 * beam), rel=1e-4)
    assert found.minor_deg == pytest.approx(scale * math.hypot(stat, 0.1 * beam), rel=1e-4)
    assert found.pa_deg == (90.0 if found.ra_err_deg > found.dec_err_deg else 0.0)
    fixed = replace_settings(systematic_position_error_arcsec=3.6)
    assert find_localization(event, fixed).systematic_deg == pytest.approx(0.001)


def replace_settings(**changes: Any) -> AlertSettings:
    return AlertSettings(**(SETTINGS.model_dump() | changes))


def test_an_ellipse_of_ninety_percent_holds_ninety_percent() -> None:
    found = find_localization(source_event(position_systematic_err_deg=0.0005), SETTINGS)
    rng = np.random.default_rng(1)
    east, north = rng.normal(0, 1, (2, 100_000))
    inside = (east * found.ra_err_deg / found.minor_deg) ** 2 + (
        north * found.dec_err_deg / found.major_deg
    ) ** 2 <= 1
    assert inside.mean() == pytest.approx(0.9, abs=0.005)


def test_an_error_of_unknown_parts_is_given_as_a_whole() -> None:
    found = find_localization(source_event(), SETTINGS)
    assert found.major_deg == pytest.approx(0.002 * 2.145966)
    assert (found.systematic_deg, found.ra_stat_deg) == (None, None)
    assert find_localization(source_event(ra_err_deg=math.nan), SETTINGS).major_deg == 0.05
    nowhere = source_event(ra_err_deg=0.0, beam_major_deg=math.inf)
    assert find_localization(nowhere, SETTINGS).major_deg == 180.0


@given(snr=st.floats(0, 40), more=st.floats(0, 40), n_false=st.integers(0, 50))
def test_a_larger_significance_makes_no_more_false_alarms(
    snr: float, more: float, n_false: int
) -> None:
    counts = FalseAlarmCounts(1e9, 20.0, np.linspace(5, 30, n_false))
    rate = expect_false_alarms(snr, counts)
    assert expect_false_alarms(snr + more, counts) <= rate
    expected = 1e9 * ndtr(-snr) + (np.sum(counts.false_snr >= snr) + 0.5) / 20
    assert rate == pytest.approx(expected, rel=1e-9)


@given(sigma=st.floats(-40, 40), more=st.floats(0, 40), n_false=st.integers(0, 50))
def test_a_more_significant_change_makes_no_more_false_ones(
    sigma: float, more: float, n_false: int
) -> None:
    counts = FalseAlarmCounts(1e9, 20.0, np.empty(0), tests_per_day=1e5, n_false_changes=n_false)
    rate = expect_false_changes(sigma, counts)
    assert rate == pytest.approx(2e5 * ndtr(-abs(sigma)) + (n_false + 0.5) / 20, rel=1e-9)
    assert rate == expect_false_changes(-sigma, counts)
    assert expect_false_changes(abs(sigma) + more, counts) <= rate


@pytest.mark.parametrize("sigma", [-math.inf, math.inf])
def test_a_change_beyond_all_chance_has_the_false_alarms_of_history(sigma: float) -> None:
    counts = FalseAlarmCounts(1e9, 20.0, np.empty(0), tests_per_day=1e5, n_false_changes=3)
    assert expect_false_changes(sigma, counts) == pytest.approx(3.5 / 20)
    assert expect_false_changes(math.nan, counts) == math.inf


def test_a_change_is_judged_by_its_own_test_and_not_by_its_remaining_flux() -> None:
    counts = FalseAlarmCounts(1e6, 20.0, np.empty(0), tests_per_day=1e4)
    vanished = replace(EVENT, kind="vanished", snr=0.3, trigger="missed", trigger_sigma=-9.0)
    update = replace(vanished, kind="update", transient_kind="vanished")
    for event in (vanished, update):
        found = build_context(event, ContextRows(counts=counts)).false_alarms_per_day
        assert found == pytest.approx(0.5 / 20)
    unknown = replace(update, trigger_sigma=None)
    assert build_context(unknown, ContextRows(counts=counts)).false_alarms_per_day is None


def test_an_update_of_a_change_is_judged_by_the_mean_before() -> None:
    before = [
        point_at(-step, image_key=10 + step, flux_peak_jy_beam=0.1, flux_peak_err_jy_beam=0.03)
        for step in (1, 2, 3, 4)
    ]
    counts = FalseAlarmCounts(1e6, 20.0, np.empty(0), tests_per_day=1e9)
    update = replace(
        EVENT, kind="update", transient_kind="variable", trigger_sigma=None,
        flux_peak_jy_beam=0.3, flux_peak_err_jy_beam=0.04,
    )  # fmt: skip
    rows = ContextRows(Timestep(1, looked(1), (looked(1),)), (point_at(), *before), counts=counts)
    found = build_context(update, rows).false_alarms_per_day
    sigma = (0.3 - 0.1) / math.hypot(0.04, 0.03 / math.sqrt(4))
    assert found == pytest.approx(2e9 * ndtr(-sigma) + 0.5 / 20)


def test_a_change_that_ends_is_no_likelier_a_false_alarm_than_it_was() -> None:
    steady = [point_at(-step, image_key=10 + step, flux_peak_jy_beam=0.1) for step in range(2, 9)]
    bright = point_at(-1, image_key=20, flux_peak_jy_beam=0.5)
    counts = FalseAlarmCounts(1e6, 20.0, np.empty(0), tests_per_day=1e9)
    rows = ContextRows(Timestep(1, looked(1), (looked(1),)), (bright, *steady), counts=counts)
    over = replace(
        EVENT, kind="update", transient_kind="variable", trigger_sigma=None, flux_peak_jy_beam=0.15
    )
    assert build_context(over, rows).false_alarms_per_day == pytest.approx(0.5 / 20)


def test_a_new_source_that_fades_is_no_likelier_a_false_alarm_than_it_was() -> None:
    counts = FalseAlarmCounts(1e9, 20.0, np.empty(0))
    forced = point_at(-2, image_key=8, extraction_type="forced", snr=60.0)
    rows = ContextRows(points=(point_at(-1, image_key=9, snr=25.0), forced), counts=counts)
    fading = replace(EVENT, kind="update", transient_kind="new_source", snr=5.0)
    assert build_context(fading, rows).false_alarms_per_day == pytest.approx(0.5 / 20)
    first = replace(fading, kind="new_source", transient_kind=None)
    assert build_context(first, rows).false_alarms_per_day > 100


def test_looks_and_age_are_those_of_all_time() -> None:
    newest = [point_at(-step, image_key=10 + step) for step in range(1, 201)]
    totals = SourceTotals(EVENT.time_start - timedelta(days=40), n_looks=5000, n_blind=4990)
    timestep = Timestep(1, looked(1), (looked(1),))
    context = build_context(EVENT, ContextRows(timestep, tuple(newest), totals=totals))
    found = notice_of(context)
    assert (found["n_looks"], found["n_detections"]) == (5000, 4990)
    assert found["seen_for_s"] == pytest.approx(40 * 86400 + EVENT.exposure_s, rel=1e-6)
    first = replace(totals, time_first=looked(1).time_start)  # of a new source
    new = build_context(EVENT, ContextRows(timestep, totals=first))
    assert (notice_of(new)["n_looks"], notice_of(new)["seen_for_s"]) == (0, EVENT.exposure_s)


def test_importance_falls_with_false_alarms_and_where_some_were_retracted() -> None:
    decision = Decision("rule", 0.8, "observation")
    assert weigh(decision, EVENT, EventContext()).importance == 0.8
    assert weigh(decision, EVENT, EventContext(false_alarms_per_day=1.0)).importance == 0.4
    assert weigh(decision, replace(EVENT, p_false=0.75), EventContext()).importance == 0.2
    here = EventContext(false_alarms_per_day=1.0, n_retracted_here=3)
    assert weigh(decision, EVENT, here).importance == 0.1
    assert weigh(decision, replace(EVENT, kind="retraction"), here).importance == 0.8


@pytest.mark.parametrize(
    ("fluxes", "rise_s", "fall_s"),
    [
        # It fell in the last three looks, and rises a little again.
        ((2.0, 2.0, 2.0, 2.0, 0.3, 0.2), None, 30.0),
        ((2.0, 2.0, 2.0), None, 10.0),
        ((0.1, 0.1, 0.1, 0.4), 20.0, None),
        ((0.1, 0.1, 0.1), 10.0, None),
    ],
)
def test_a_change_began_after_the_last_look_that_was_not_a_part_of_it(
    fluxes: tuple[float, ...], rise_s: float | None, fall_s: float | None
) -> None:
    looks = [
        point_at(-n, image_key=10 + n, flux_peak_jy_beam=flux, flux_peak_err_jy_beam=0.02,
                 extraction_type="blind")
        for n, flux in enumerate(reversed(fluxes), start=1)
    ]  # fmt: skip
    timestep = Timestep(1, looked(1), (looked(1),))
    found = notice_of(build_context(EVENT, ContextRows(timestep, tuple(looks))))
    assert found["rise_time_max_s"] == rise_s
    assert found["fall_time_max_s"] == fall_s


def test_an_alert_before_the_end_of_a_look_back_has_none_of_its_answers() -> None:
    early = point_at(-1, image_key=7, extraction_type="lookback", flux_peak_jy_beam=0.01)
    timestep = Timestep(1, looked(1), (looked(1),))
    contexts = [
        build_context(replace(EVENT, look_back="not_looked_back"), ContextRows(timestep, points))
        for points in ((), (early,))
    ]
    assert notice_of(contexts[0]) == notice_of(contexts[1])
    done = replace(EVENT, look_back="looked_back", n_look_back=1)
    assert build_context(done, ContextRows(timestep, (early,))).history.last == early


def test_what_was_retracted_within_a_beam_counts() -> None:
    near, far = (EVENT.ra, EVENT.dec + 0.04), (EVENT.ra + 1, EVENT.dec)
    counts = FalseAlarmCounts(0.0, 1.0, np.empty(0), (near, far, near))
    assert build_context(EVENT, ContextRows(counts=counts)).n_retracted_here == 2


@given(trig_id=st.text())
def test_five_letters_follow_from_an_identity(trig_id: str) -> None:
    letters = to_letters(trig_id)
    assert re.fullmatch("[A-Z]{5}", letters)
    assert letters == to_letters(trig_id)


def test_identities_have_letters_of_their_own() -> None:
    assert len({to_letters(f"{number}") for number in range(1000)}) > 990


def test_a_family_has_a_name() -> None:
    template = "LT {year}{letters} {position}"
    first, second = (
        format_event_name(template, source_event(ra=123.06, dec=50.2, trig_id=each))
        for each in ("jrjoyktgwf263uji", "kpzxgbqdlvtnljkq")
    )
    assert re.fullmatch(r"LT 2026[A-Z]{5} J0812\+5012", first)
    assert second != first
    assert format_event_name("{position}", source_event(ra=359.999, dec=-0.5)) == "J2359-0030"


@pytest.mark.parametrize("template", ["{nothing}", "{year", "{0}", "{year.__class__}"])
def test_a_template_that_cannot_be_filled_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="event_name"):
        AlertSettings(event_name=template)


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


numbers = st.floats() | st.sampled_from([0.0, -0.0, 5e-324, 1e-200, 1e200, math.nan, math.inf])


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

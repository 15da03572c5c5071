"""Which images the stamps of a transient are cut from."""

from dataclasses import replace
from datetime import timedelta

from schemas.messages import SourceOffset
from services.associate.models.stamps import StampImage, StampTransient
from services.associate.steps.stamps import plan_stamps
from tests.support.records import START, wcs_header

CENTRE, SIDE_PX, CELL_DEG = (0.0, 60.0), 100, 0.01


def image(step: int, *, rms_jy_beam: float = 1e-3, dec: float = CENTRE[1]) -> StampImage:
    return StampImage(
        image_key=step,
        image_id=f"{step:064x}",
        time_start=START + timedelta(seconds=step),
        freq_eff_hz=150e6,
        stokes="I",
        rms_jy_beam=rms_jy_beam,
        wcs_header=wcs_header(CENTRE[0], dec, SIDE_PX, CELL_DEG),
        width_px=SIDE_PX,
        height_px=SIDE_PX,
        source=SourceOffset("cluster", "images-v1", 0, step),
    )


def transient(number: int = 1, ra: float = 359.9) -> StampTransient:
    return StampTransient(
        number, f"trig{number}", 10 + number, 3, "night", ra, 60.1, 7, image(100)
    )


def roles(earlier: list[StampImage]) -> dict[str, tuple[int | None, str | None]]:
    one = transient()
    plans = plan_stamps([one], {one.transient_id: earlier}).plans
    return {each.role: (each.image and each.image.image_key, each.reason) for each in plans}


def test_a_first_image_has_none_before() -> None:
    assert roles([]) == {"now": (100, None), "before": (None, "no_earlier_image")}


def test_the_latest_image_that_shows_the_place_is_before() -> None:
    elsewhere = image(99, dec=62.0)
    assert roles([elsewhere, image(98), image(97)]) == {
        "now": (100, None), "before": (98, None),
    }  # fmt: skip
    assert roles([elsewhere])["before"] == (None, "no_earlier_image")


def test_the_deepest_is_shown_where_it_is_another_one() -> None:
    deep = image(5, rms_jy_beam=1e-4)
    assert roles([image(98), deep])["deepest"] == (5, None)
    assert "deepest" not in roles([deep, image(4)])


def test_requests_are_small_and_name_each_stamp_once() -> None:
    many = [transient(number) for number in range(20)]
    before = image(99)
    plans = plan_stamps(many, {each.transient_id: [before] for each in many})
    assert all(len(request.stamps.stamp_id) <= 8 for _, request in plans.requests)
    names = [name for _, request in plans.requests for name in request.stamps.stamp_id]
    assert sorted(names) == sorted(each.stamp_id for each in plans.plans)
    assert len(set(names)) == 40
    images = [request.image_id for _, request in plans.requests]
    assert images == [many[0].image.image_id] * 3 + [before.image_id] * 3


def test_streams_are_asked_apart() -> None:
    here, there = transient(1), replace(transient(2), stream="other")
    plans = plan_stamps([here, there], {1: [], 2: []})
    assert [request.stream for _, request in plans.requests] == ["night", "other"]

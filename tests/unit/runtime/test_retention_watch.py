"""A partition that holds less than five minutes of what comes is warned of, once."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from runtime.kafka import InMessage, RetentionWatch

START = datetime(2026, 1, 1, tzinfo=UTC)


def warnings(retention_bytes: int, *, image_bytes: int, interval_s: float, n: int) -> int:
    watch = RetentionWatch({"images-v1": retention_bytes})
    value = b"\0" * image_bytes
    return sum(
        watch.add(
            InMessage(
                "images-v1", 0, number, b"", value,
                time_appended=START + timedelta(seconds=interval_s * number),
            )
        )
        for number in range(n)
    )  # fmt: skip


@given(
    st.integers(min_value=1, max_value=500),
    st.sampled_from([0.5, 1.0, 2.0]),
    st.integers(min_value=1, max_value=10**6),
)
def test_a_warning_comes_where_five_minutes_do_not_fit(
    image_bytes: int, interval_s: float, retention_bytes: int
) -> None:
    n = int(70 / interval_s)
    held_s = retention_bytes * interval_s / image_bytes
    found = warnings(retention_bytes, image_bytes=image_bytes, interval_s=interval_s, n=n)
    if abs(held_s - 300) > 1e-6:
        assert found == (held_s < 300)


def test_a_topic_without_a_limit_is_never_warned_of() -> None:
    assert warnings(-1, image_bytes=10**6, interval_s=1.0, n=400) == 0


def test_one_warning_for_a_partition() -> None:
    assert warnings(1000, image_bytes=100, interval_s=1.0, n=400) == 1


def test_a_message_without_a_time_tells_no_rate() -> None:
    watch = RetentionWatch({"a": 1})
    assert not any(watch.add(InMessage("a", 0, number, b"", b"12")) for number in range(100))

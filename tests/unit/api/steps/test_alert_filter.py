"""Which alerts pass a filter of the API."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.models.alerts import AlertItem
from api.models.base import Cone
from api.steps.alert_filter import AlertFilter

TIME = datetime(2026, 11, 24, tzinfo=UTC)


def alert(**values: Any) -> AlertItem:
    fields: dict[str, Any] = {
        "id": 1, "ivorn": "ivo://a/b#c.0", "trig_id": "c", "revision": 0, "role": "test",
        "alert_type": "initial", "kind": "new_source", "state": "active", "stream": "night",
        "transient_id": 1, "source_id": 1, "ra": 0.1, "dec": 10.0, "snr": 12.0,
        "flux_peak_jy_beam": 0.01, "time_start": TIME, "time_alert": TIME, "latency_s": 0.3,
    }  # fmt: skip
    return AlertItem(**(fields | values))


@pytest.mark.parametrize(
    ("wanted", "passes"),
    [
        (AlertFilter(), True),
        (AlertFilter(stream="night", kind="new_source", state="active", min_snr=12.0), True),
        (AlertFilter(stream="day"), False),
        (AlertFilter(kind="variable"), False),
        (AlertFilter(state="retracted"), False),
        (AlertFilter(min_snr=12.1), False),
        (AlertFilter(since=TIME, until=TIME + timedelta(seconds=1)), True),
        (AlertFilter(until=TIME), False),
        (AlertFilter(cone=Cone(359.9, 10.0, 0.2)), True),
        (AlertFilter(cone=Cone(359.9, 10.0, 0.19)), False),
        (AlertFilter(cone=Cone(180.1, -10.0, 180.0)), True),
    ],
)
def test_an_alert_passes_if_it_meets_every_condition(wanted: AlertFilter, passes: bool) -> None:  # noqa: FBT001
    assert wanted.passes(alert()) is passes


def test_an_undefined_number_passes_no_threshold() -> None:
    assert not AlertFilter(min_snr=1.0).passes(alert(snr=None))
    assert '"snr":null' in alert(snr=float("nan")).model_dump_json()

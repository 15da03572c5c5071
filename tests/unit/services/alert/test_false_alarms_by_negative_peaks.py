"""Expected false alarms of a band: of Gaussian noise, and of the negative peaks it has shown."""

import numpy as np
import pytest

from services.alert.models import FalseAlarmCounts, NegativeRate
from services.alert.steps.context import expect_false_alarms

# No retraction and no storm in so many days adds next to nothing.
LONG_DAYS = 1e6


def test_bands_without_a_negative_peak_have_the_false_alarms_of_noise() -> None:
    counts = FalseAlarmCounts(1e9, 20.0, np.empty(0))
    quiet = NegativeRate(30.0, np.empty(0), np.empty(0, np.int64))
    assert expect_false_alarms(6, counts, quiet) == expect_false_alarms(6, counts)


def test_peaks_that_are_not_listed_count_with_the_faintest_that_is() -> None:
    counts = FalseAlarmCounts(0.0, LONG_DAYS, np.empty(0))
    crowded = NegativeRate(0.5, np.array([9.0, 12.0, 20.0]), np.array([100, 1, 1]))
    assert expect_false_alarms(8, counts, crowded) == pytest.approx(204, abs=0.01)
    assert expect_false_alarms(12, counts, crowded) == pytest.approx(4, abs=0.01)
    assert expect_false_alarms(21, counts, crowded) == pytest.approx(0, abs=0.01)


def test_one_peak_in_the_first_image_is_not_infinitely_many_a_day() -> None:
    counts = FalseAlarmCounts(0.0, LONG_DAYS, np.empty(0))
    first = NegativeRate(0.0, np.array([9.0]), np.array([1]))
    assert expect_false_alarms(8, counts, first) == pytest.approx(24, abs=0.01)

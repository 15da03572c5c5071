"""Long files of a parallel run come first, and none is forgotten."""

from pathlib import Path

import pytest

from tests.support.file_order import LONGEST, in_order

_TESTS = Path(__file__).parents[2]


@pytest.mark.parametrize("name", LONGEST)
def test_a_file_of_the_list_exists(name: str) -> None:
    assert (_TESTS / name).is_file()


def test_every_worker_finds_the_same_order() -> None:
    files = [
        _TESTS / kind / f"test_{number}.py" for kind in ("fuzz", "unit") for number in range(5)
    ]
    assert in_order(files) == in_order(files[::-1])


def test_the_longest_come_first_and_unit_tests_between_them() -> None:
    long = [_TESTS / name for name in LONGEST]
    short = [_TESTS / "integration" / f"test_{number}.py" for number in range(5)]
    unit = [_TESTS / "unit" / f"test_{number:02d}.py" for number in range(30)]

    found = in_order([*reversed(short), *reversed(unit), *reversed(long)])

    assert [each for each in found if each not in unit] == long + short
    assert [each for each in found if each in unit] == unit
    half = found[: len(found) // 2]
    assert sum(each in unit for each in half) == pytest.approx(len(unit) / 2, abs=1)

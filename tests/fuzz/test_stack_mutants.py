"""Mutants through a whole stack: sent = booked, and every service is the process it was.

`make fuzz` runs it with 500 images; `make test` has 30 of them in `tests/end_to_end`.
"""

import os

import pytest

from schemas.reasons import ImageReason
from tests.support.fuzzing import SEED
from tests.support.night import Stack, dead_letters, running_stack
from tests.support.stack_mutants import (
    check_books,
    n_on_topic,
    pids,
    publish_good,
    publish_images,
    publish_records,
)

_N_IMAGES = int(os.environ.get("FUZZ_STACK_MUTANTS", "500"))
_N_RECORDS = 40

pytestmark = pytest.mark.timeout(1200)


def errors_of(stack: Stack, reasons: set[str]) -> list[str]:
    """Return what the dead letters with these reasons say."""
    return [
        f"{each['source']} {each['service']}: {each['error']}"
        for each in dead_letters(stack)
        if each["reason"] in reasons
    ]


def test_a_stack_records_every_mutant_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with running_stack(LIVETRAP_EXTRACT__DETECTION_THRESHOLD_SIGMA="6") as stack:
        before = pids(stack)
        publish_images(stack, range(_N_IMAGES), seed=SEED)
        publish_records(stack, range(_N_RECORDS), seed=SEED)
        reasons = check_books(stack)
        unfit = set(reasons) - {*ImageReason, "same_exposure"}
        assert not unfit, errors_of(stack, unfit)
        publish_good(stack)
        check_books(stack)
        assert pids(stack) == before
        with capsys.disabled():
            n_sent, n_letters = (
                n_on_topic(stack, "images-v1"),
                n_on_topic(stack, "dead-letters-v1"),
            )
            print(f"\nsent {n_sent}, booked {stack.outcomes()}, dead letters {n_letters}")  # noqa: T201  (the report)
            print(f"reasons {dict(reasons.most_common())}\npids {before}")  # noqa: T201  (the report)

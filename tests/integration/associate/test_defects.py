"""Whatever fails in the associator: a dead letter and a row of the ledger; the next follows."""

from collections.abc import Iterator
from inspect import iscoroutinefunction
from pkgutil import resolve_name
from typing import Any

import asyncpg
import pytest
import structlog

from runtime.errors import FatalError, TransientError
from runtime.metrics import DEAD_LETTERS
from services.associate.steps.windows import TimestepWindows
from services.associate.storage import Catalogue, CatalogueStore
from tests.support.association import Associator, associator
from tests.support.defects import DEFECTS, Breaking, named
from tests.support.records import image

POSITION = (123.123, 10.5)
DETECTIONS = "services.associate.handlers.detections"
TIMESTEP = "services.associate.handlers.timestep"
# Decoding is tried once: it has no state.
AT_THE_DOOR = [
    (resolve_name(DETECTIONS), "decode_image_detections"),
    (resolve_name(DETECTIONS), "check_record"),
    (TimestepWindows, "add"),
]
DECIDING = [
    (resolve_name(DETECTIONS), "associate_timestep"),
    *(
        (resolve_name(TIMESTEP), name)
        for name in (
            "associate", "decide", "assign_bands", "find_search_boxes", "needs_forced",
            "exposure_times",
        )
    ),
]  # fmt: skip
STATEMENTS = [
    (Catalogue, name)
    for name in (
        "move_offsets", "ensure_stream", "find_images", "load_start",
        "load_sources", "load_null_detections", "store", "record_outcomes",
        "insert_timestep", "insert_images", "insert_sources", "insert_detections",
        "close_timestep",
    )
]  # fmt: skip
AWAY = [
    asyncpg.ConnectionDoesNotExistError("gone"), asyncpg.CannotConnectNowError("starting"),
    asyncpg.QueryCanceledError("by an operator"), asyncpg.OutOfMemoryError("server"),
    asyncpg.DiskFullError("full"), asyncpg.DeadlockDetectedError("again"),
    asyncpg.ReadOnlySQLTransactionError("demoted"), asyncpg.PostgresIOError("disk"),
    ConnectionResetError("gone"), TimeoutError("no answer"),
]  # fmt: skip
REFUSED = [
    asyncpg.DataError("invalid"), asyncpg.NumericValueOutOfRangeError("too large"),
    asyncpg.UniqueViolationError("twice"), asyncpg.ProgramLimitExceededError("too long"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    """What is logged; tracebacks with all their variables take seconds to print."""
    with structlog.testing.capture_logs() as captured:
        yield captured


def break_step(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: Exception, *, times: int
) -> Breaking:
    breaks = Breaking(error, times=times)
    original = getattr(owner, name)

    async def broken_coroutine(*arguments: Any, **keywords: Any) -> Any:
        breaks()
        return await original(*arguments, **keywords)

    def broken(*arguments: Any, **keywords: Any) -> Any:
        breaks()
        return original(*arguments, **keywords)

    replacement = broken_coroutine if iscoroutinefunction(original) else broken
    monkeypatch.setattr(owner, name, replacement)
    return breaks


async def settle(case: Associator) -> list[str]:
    """Commit everything; return the reasons of the dead letters."""
    await case.settle()
    reasons = [str(each.headers["reason"]) for each in case.handler.dead_letters.pending]
    case.handler.dead_letters.clear()
    await case.settle()
    return reasons


async def outcomes(case: Associator) -> dict[str, int]:
    """Return the books of everything this case has sent, also of what names no stream."""
    rows = await case.rows(
        "select outcome, count(*) as n from image_ledger where kafka_cluster_id = $1 "
        "group by outcome",
        case.stream,
    )
    return {row["outcome"]: row["n"] for row in rows}


async def feed(case: Associator, step: int) -> list[str]:
    case.deliver([image(step, [POSITION], salt=case.stream)])
    return await settle(case)


@pytest.mark.parametrize(
    ("steps", "times"), [(AT_THE_DOOR, 1), (DECIDING, 2), (STATEMENTS, 2)],
    ids=["door", "decisions", "statements"],
)  # fmt: skip
async def test_a_record_at_which_any_step_fails_is_recorded(
    steps: list[tuple[Any, str]], times: int, postgres_url: str, logs: list[Any]
) -> None:
    unexpected = [each for each in DEFECTS if not isinstance(each, asyncpg.DataError)]
    counter = DEAD_LETTERS.labels("associate", "internal_error")._value
    async with associator(postgres_url) as case:
        for number, (owner, name) in enumerate(steps):
            error = unexpected[number % len(unexpected)]
            before = counter.get()
            with pytest.MonkeyPatch.context() as patch:
                breaks = break_step(patch, owner, name, error, times=times)
                assert await feed(case, 2 * number) == ["internal_error"], name
                assert breaks.times == 0, name
            assert counter.get() == before + 1
            assert await feed(case, 2 * number + 1) == []
            assert await outcomes(case) == {"processed": number + 1, "rejected": number + 1}, name
    if times == 2:
        failed = [each for each in logs if each["event"] == "timestep_failed"]
        assert len(failed) == len(steps)
        assert all(each["exc_info"] for each in failed)


async def test_every_kind_of_exception_ends_one_image(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        for number, error in enumerate([*DEFECTS, *REFUSED]):
            is_refused = isinstance(error, (asyncpg.DataError, *map(type, REFUSED)))
            times = 1 if is_refused else 2
            with pytest.MonkeyPatch.context() as patch:
                break_step(patch, Catalogue, "insert_sources", error, times=times)
                expected = "unstorable" if is_refused else "internal_error"
                # Another position for each: it is a new source, so that there is one to insert.
                case.deliver([image(number, [(123 + number / 9, 10.0)], salt=case.stream)])
                assert await settle(case) == [expected], named(error)
        assert await feed(case, 100) == []
        assert await outcomes(case) == {"processed": 1, "rejected": number + 1}


async def test_trouble_of_the_database_is_waited_for(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        for number, error in enumerate(AWAY):
            with pytest.MonkeyPatch.context() as patch:
                break_step(patch, Catalogue, "find_images", error, times=1)
                case.deliver([image(number, [POSITION], salt=case.stream)])
                with pytest.raises(TransientError, match="PostgreSQL"):
                    await settle(case)
                assert await settle(case) == [], named(error)
        assert await outcomes(case) == {"processed": len(AWAY)}


async def test_a_missing_migration_ends_the_process(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        with pytest.MonkeyPatch.context() as patch:
            error = asyncpg.UndefinedColumnError("no column")
            break_step(patch, Catalogue, "find_images", error, times=1)
            case.deliver([image(0, [POSITION])])
            with pytest.raises(FatalError, match="livetrap migrate"):
                await settle(case)


@pytest.mark.parametrize("error", DEFECTS[:3], ids=named)
async def test_windows_that_fail_lose_no_image(error: Exception, postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        with pytest.MonkeyPatch.context() as patch:
            break_step(patch, TimestepWindows, "ready", error, times=1)
            case.deliver([image(0, [POSITION], freq_eff_hz=band) for band in (120e6, 150e6)])
            assert await settle(case) == []
        assert await feed(case, 1) == []
        assert sum((await outcomes(case)).values()) == 3


@pytest.mark.parametrize(
    ("owner", "name"), [(CatalogueStore, "drop_expired"), (CatalogueStore, "take_clock_resets")]
)
async def test_housekeeping_that_fails_stops_no_image(
    owner: Any, name: str, postgres_url: str
) -> None:
    async with associator(postgres_url, detection_retention_days=1000.0) as case:
        for number, error in enumerate([*DEFECTS[:3], TransientError("away")]):
            with pytest.MonkeyPatch.context() as patch:
                breaks = break_step(patch, owner, name, error, times=1)
                case.handler.expiry._next_s = case.handler._next_reset_poll_s = 0.0
                await case.handler.expiry.drop_expired()
                await case.handler.reset_clocks()
                assert breaks.times == 0
            assert await feed(case, number) == []

"""A message counts while a process works at it, not while the process waits."""

import asyncio
import faulthandler
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.attempts import AttemptLog
from runtime.errors import RejectedMessageError
from runtime.in_flight import InFlight, MessageLimits
from runtime.kafka import InMessage

# A child per way to end; each reports what the next process would read.
_PROGRAM = """
import asyncio, os, signal, sys, time
from pathlib import Path
from runtime.attempts import AttemptLog
from runtime.in_flight import InFlight, MessageLimits
from runtime.kafka import InMessage

MESSAGES = [InMessage("t", 0, offset, b"", b"") for offset in (7, 8)]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

async def wait_and_die():
    asyncio.get_running_loop().call_later(0.05, die)
    await asyncio.sleep(60)

async def die_after_waiting():
    await asyncio.sleep(0.05)
    die()

async def hang_after_waiting():
    await asyncio.sleep(0.05)
    time.sleep(60)

def run(work, folder):
    limits = MessageLimits(timeout_s=0.4 if work is hang_after_waiting else 3600.0)
    in_flight = InFlight(AttemptLog(Path(folder), group="g"), limits)
    asyncio.run(in_flight.run(work(), *MESSAGES))

for number, work in enumerate((wait_and_die, die_after_waiting, hang_after_waiting)):
    folder = f"{sys.argv[1]}/{number}"
    process = os.fork()
    if process == 0:
        run(work, folder)
        os._exit(0)
    _, status = os.waitpid(process, 0)
    n_ended = AttemptLog(Path(folder), group="g").n_ended(*MESSAGES)
    print("outcome", work.__name__, bool(status), n_ended, flush=True)
"""


def message(offset: int = 7) -> InMessage:
    return InMessage("t", 0, offset, b"", b"")


def in_flight(folder: Path) -> InFlight:
    return InFlight(AttemptLog(folder, group="g"), MessageLimits())


def test_only_a_process_that_ends_at_work_counts(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(tmp_path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    outcomes = [line.split()[1:] for line in done.stdout.splitlines() if "outcome" in line]
    assert outcomes == [
        ["wait_and_die", "True", "0"],
        ["die_after_waiting", "True", "1"],
        ["hang_after_waiting", "True", "1"],
    ]


async def test_a_wait_beyond_the_limit_gives_the_process_its_time_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits_s: list[float] = []
    are_longer_than_the_limit = asyncio.Event()

    def start_timer(timeout_s: float, **_: object) -> None:
        limits_s.append(timeout_s)
        if len(limits_s) > 8:  # each a quarter of the limit after the one before
            are_longer_than_the_limit.set()

    ends: list[bool] = []
    monkeypatch.setattr(faulthandler, "dump_traceback_later", start_timer)
    monkeypatch.setattr(
        faulthandler, "cancel_dump_traceback_later", lambda: ends.append(bool(limits_s))
    )
    hand = InFlight(AttemptLog(tmp_path, group="g"), MessageLimits(timeout_s=0.04))
    assert await hand.run(are_longer_than_the_limit.wait(), message())
    assert set(limits_s) == {0.04}
    assert ends == [True]
    assert AttemptLog(tmp_path, group="g").n_ended(message()) == 0


def test_an_earlier_count_survives_a_wait(tmp_path: Path) -> None:
    AttemptLog(tmp_path, group="g").begin(message())
    log = AttemptLog(tmp_path, group="g")
    assert log.begin(message(), message(8)) == 1
    with log.paused():
        assert AttemptLog(tmp_path, group="g").n_ended(message()) == 1
        assert AttemptLog(tmp_path, group="g").n_ended(message(8)) == 0
    assert AttemptLog(tmp_path, group="g").n_ended(message()) == 2
    assert AttemptLog(tmp_path, group="g").unfinished("t", 0) == [7, 8]
    log.end(message(), message(8))
    assert AttemptLog(tmp_path, group="g").unfinished("t", 0) == []


def test_results_errors_and_cancellations_pass_through(tmp_path: Path) -> None:
    hand = in_flight(tmp_path)

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("on purpose")

    async def give() -> int:
        try:
            await asyncio.wait_for(asyncio.sleep(60), 0.01)
        except TimeoutError:
            await asyncio.sleep(0)
        return 3

    async def check() -> None:
        assert await hand.run(give(), message()) == 3
        with pytest.raises(ValueError, match="on purpose"):
            await hand.run(fail(), message())
        task = asyncio.create_task(hand.run(asyncio.sleep(60), message()))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(check())
    assert hand.attempts.unfinished("t", 0) == []


async def test_two_at_once_do_not_count_each_other(tmp_path: Path) -> None:
    hand = in_flight(tmp_path)
    other = InMessage("other", 0, 7, b"", b"")
    is_read = asyncio.Event()
    seen: list[int] = []

    async def look() -> None:
        await asyncio.sleep(0)
        reader = AttemptLog(tmp_path, group="g")
        seen.extend((reader.n_ended(message()), reader.n_ended(other)))
        is_read.set()

    async def wait() -> None:
        await is_read.wait()

    await asyncio.gather(hand.run(look(), message()), hand.run(wait(), other))
    assert seen == [1, 0]


def test_after_the_third_end_a_message_is_refused(tmp_path: Path) -> None:
    for _ in range(3):
        in_flight(tmp_path).check(message())
        AttemptLog(tmp_path, group="g").begin(message())
    with pytest.raises(RejectedMessageError, match="3 processes ended") as refused:
        in_flight(tmp_path).check(message())
    assert refused.value.reason_code == "killed_the_process"

"""Tasks beside the main one: whatever ends one, somebody notices."""

import ast
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import runtime
from runtime import background
from runtime.background import BackgroundTasks, keep_running
from runtime.errors import FatalError

ROOT = Path(runtime.__file__).parent.parent
# Where a task is started that `runtime.background` does not look after, and who notices its end.
STARTED_ELSEWHERE = {
    ("api/app/service.py", "lifespan"): "keep_running",
    ("api/steps/alert_stream.py", "run"): "keep_running",
    ("api/steps/export.py", "read_ahead"): "awaited by who takes the next part",
    ("api/steps/tap_jobs.py", "_begin"): "whatever it is, the job ends with words",
    ("runtime/background.py", "start"): "its callback",
    ("runtime/retry.py", "unless_stopped"): "awaited",
    ("services/alert/app/service.py", "run"): "awaited before the service has started",
    ("services/alert/handlers/transients.py", "_beside"): "awaited",
    ("services/alert/handlers/transients.py", "_decide_and_publish"): "awaited by the next part",
    ("services/alert/storage/transactions.py", "_insert_beside"): "awaited by the next, and write",
    ("services/distribute/app/subscriptions.py", "_start_replays"): "raised by the next look",
    ("services/distribute/handlers/filter_pool.py", "_run"): "keep_running",
    ("services/distribute/handlers/subscriber.py", "_handle"): "its callback ends the connection",
    ("services/distribute/handlers/subscriber.py", "_set_filters"): "awaited by what is sent",
    ("services/distribute/handlers/subscriber.py", "run"): "awaited",
    ("services/distribute/handlers/vtp.py", "_on_connect"): "logged; it ends one connection",
    ("services/distribute/handlers/vtp_receiver.py", "_on_connect"): "logged, one connection",
}


def started_in(path: Path) -> set[str]:
    """Return the functions of a file that start a task."""
    found, text = set(), path.read_text()
    if "create_task" not in text and "ensure_future" not in text:
        return found
    for function in ast.walk(ast.parse(text)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            calls = [each for each in ast.walk(function) if isinstance(each, ast.Call)]
            names = {each.func.attr for each in calls if isinstance(each.func, ast.Attribute)}
            inner = [
                each.name
                for each in ast.walk(function)
                if isinstance(each, ast.AsyncFunctionDef) and each is not function
            ]
            if names & {"create_task", "ensure_future"} and not inner:
                found.add(function.name)
    return found


def test_who_notices_the_end_of_each_task_is_known() -> None:
    packages = ("services", "api", "runtime", "livetrap")
    files = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    started = {(str(path.relative_to(ROOT)), name) for path in files for name in started_in(path)}
    assert started == set(STARTED_ELSEWHERE)


async def fail() -> None:
    raise ZeroDivisionError("a defect")


async def fail_for_good() -> None:
    raise FatalError("the schema is old")


async def end() -> None:
    await asyncio.sleep(0)


async def be_cancelled() -> None:
    waited_for = asyncio.get_running_loop().create_future()
    waited_for.cancel()
    await waited_for


@pytest.mark.parametrize(
    ("work", "kind"),
    [
        (fail, ZeroDivisionError),
        (fail_for_good, FatalError),
        (end, FatalError),
        (be_cancelled, FatalError),
    ],
)
async def test_a_task_that_ends_by_itself_is_a_failure(
    work: Callable[[], Awaitable[None]], kind: type[Exception]
) -> None:
    failures: list[BaseException] = []
    tasks = BackgroundTasks(failures.append)
    task = tasks.start(work())  # type: ignore[arg-type]
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert [type(each) for each in failures] == [kind]


async def test_a_task_has_ended_when_end_returns_and_that_is_no_failure() -> None:
    failures: list[BaseException] = []
    has_ended = False

    async def work() -> None:
        nonlocal has_ended
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)  # as who says good-bye to a server
            has_ended = True

    tasks = BackgroundTasks(failures.append)
    task = tasks.start(work())
    await asyncio.sleep(0)
    await tasks.end(task)
    assert has_ended
    await tasks.end()
    assert failures == []


@pytest.mark.parametrize("failing", [fail, fail_for_good, be_cancelled])
async def test_work_that_fails_is_done_again(
    failing: Callable[[], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_PAUSE_S", 0.0)
    n_times = 0

    async def work() -> None:
        nonlocal n_times
        n_times += 1
        if n_times < 4:
            await failing()

    with capture_logs() as events:
        await keep_running(work, failure="work_failed")
    assert n_times == 4
    assert [each["event"] for each in events] == ["work_failed"] * 3


async def test_work_that_is_kept_running_can_be_cancelled() -> None:
    task = asyncio.create_task(keep_running(asyncio.Event().wait, failure="work_failed"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

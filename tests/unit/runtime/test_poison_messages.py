"""A message that fails, kills or hangs its process is rejected, and the next one follows."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.attempts import AttemptLog
from runtime.dead_letters import DeadLetters
from runtime.errors import FatalError, RejectedMessageError, TransientError, describe_exception
from runtime.in_flight import MessageLimits
from runtime.kafka import MAX_MESSAGE_BYTES, InMessage, OutMessage
from runtime.process import MessageHandler, process_message
from tests.support.examples import examples

LIMITS = MessageLimits(timeout_s=30.0, max_attempts=3)
ORDINARY = [
    ValueError, KeyError, IndexError, TypeError, ZeroDivisionError, OverflowError, RecursionError,
    MemoryError, UnicodeError, OSError, AssertionError, NotImplementedError, StopIteration,
]  # fmt: skip


def message(offset: int = 7, *, topic: str = "images-v1", partition: int = 0) -> InMessage:
    return InMessage(topic, partition, offset, b"key", b"value")


def handler(
    handle: Callable[[InMessage], Sequence[OutMessage]],
) -> tuple[MessageHandler, list[str]]:
    """Return a handler that notes what is asked of it."""
    calls: list[str] = []

    def noted(each: InMessage) -> Sequence[OutMessage]:
        calls.append("handle")
        return handle(each)

    def on_rejected(_: InMessage, error: RejectedMessageError) -> Sequence[OutMessage]:
        calls.append(error.reason_code)
        return [OutMessage("dead-letters-v1", b"", str(error).encode())]

    return MessageHandler(noted, on_rejected, lambda: calls.append("reset")), calls


def raising(error: type[BaseException]) -> Callable[[InMessage], Sequence[OutMessage]]:
    def handle(_: InMessage) -> Sequence[OutMessage]:
        raise error("broken on purpose")

    return handle


@pytest.mark.parametrize("error", ORDINARY)
def test_an_unexpected_exception_is_tried_once_more_and_then_rejected(
    tmp_path: Path, error: type[Exception]
) -> None:
    broken, calls = handler(raising(error))
    log = AttemptLog(tmp_path, group="g")
    (letter,) = process_message(broken, message(), attempts=log, limits=LIMITS)
    assert calls == ["handle", "reset", "handle", "internal_error"]
    assert error.__name__.encode() in letter.value
    assert b"test_poison_messages.py" in letter.value


def test_a_failure_that_does_not_repeat_is_no_rejection(tmp_path: Path) -> None:
    failures = [ValueError("once")]

    def handle(each: InMessage) -> Sequence[OutMessage]:
        if failures:
            raise failures.pop()
        return [OutMessage("out", each.key, each.value)]

    once, calls = handler(handle)
    (result,) = process_message(
        once, message(), attempts=AttemptLog(tmp_path, group="g"), limits=LIMITS
    )
    assert result.topic == "out"
    assert calls == ["handle", "reset", "handle"]


@pytest.mark.parametrize("error", [TransientError, FatalError])
def test_errors_of_dependencies_and_of_the_process_are_no_rejection(
    tmp_path: Path, error: type[Exception]
) -> None:
    broken, calls = handler(raising(error))
    log = AttemptLog(tmp_path, group="g")
    with pytest.raises(error, match="on purpose"):
        process_message(broken, message(), attempts=log, limits=LIMITS)
    assert calls == ["handle"]
    assert log.begin(message()) == 0  # it was not in flight when this process goes on


# Four processes handle the message one after the other; they are forked, so that the modules
# are imported once.
_PROCESSES = """
import os, signal, sys, time
from pathlib import Path
from runtime.attempts import AttemptLog
from runtime.in_flight import MessageLimits
from runtime.kafka import InMessage
from runtime.process import MessageHandler, process_message

cases = {cases!r}

def die(message):
    exec(how)

def on_rejected(message, error):
    print("outcome", number, error.reason_code, flush=True)
    return []

def handle():
    message = InMessage("images-v1", 0, 7, b"key", b"value")
    limits = MessageLimits(timeout_s=timeout_s, max_attempts=3)
    log = AttemptLog(Path({folder!r}) / str(number), group="g")
    process_message(MessageHandler(die, on_rejected), message, attempts=log, limits=limits)

for number, (how, timeout_s) in enumerate(cases):
    for _ in range(4):
        process = os.fork()
        if process == 0:
            handle()
            sys.exit()
        _, status = os.waitpid(process, 0)
        if status:
            print("outcome", number, "ended", flush=True)
"""


def test_a_message_that_ended_three_processes_is_rejected(tmp_path: Path) -> None:
    cases = [
        ("os.kill(os.getpid(), signal.SIGKILL)", 30.0),
        ("os.kill(os.getpid(), signal.SIGSEGV)", 30.0),
        ("os._exit(3)", 30.0),
        ("time.sleep(60)", 0.2),
        ("sum(range(10**12))", 0.2),  # one call in C, which never lets the GIL go
    ]
    program = _PROCESSES.format(cases=cases, folder=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    lines = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("outcome")]
    assert lines == [
        [str(number), outcome]
        for number in range(len(cases))
        for outcome in ("ended", "ended", "ended", "killed_the_process")
    ]


@pytest.mark.parametrize(("n_ended", "value"), [(3, b"value"), (6, b"images-v1 0:7, ended every")])
def test_a_message_that_comes_again_after_its_rejection_is_rejected_at_once(
    tmp_path: Path, n_ended: int, value: bytes
) -> None:
    """Where the rejection has ended processes, too, it is done without its bytes."""
    for _ in range(n_ended):
        AttemptLog(tmp_path, group="g").begin(message())
    seen: list[bytes] = []

    def on_rejected(rejected: InMessage, _: RejectedMessageError) -> Sequence[OutMessage]:
        seen.append(rejected.value)
        return []

    poison = MessageHandler(raising(AssertionError), on_rejected)
    for _ in range(2):
        log = AttemptLog(tmp_path, group="g")
        process_message(poison, message(), attempts=log, limits=LIMITS)
    assert len(seen) == 2
    assert all(each.startswith(value) for each in seen)


def test_another_message_starts_at_zero(tmp_path: Path) -> None:
    first = AttemptLog(tmp_path, group="g")
    first.begin(message(7))
    second = AttemptLog(tmp_path, group="g")
    assert second.begin(message(7)) == 1
    assert second.begin(message(8)) == 0
    assert second.begin(message(7, partition=1)) == 0
    assert second.begin(message(7, topic="forced-requests-v1")) == 0
    assert AttemptLog(tmp_path, group="other").begin(message(8)) == 0


def test_without_a_folder_messages_are_handled_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    log = AttemptLog(file / "state", group="g")
    assert log.begin(message()) == 0
    log.end(message())
    log.close()


@given(st.text(max_size=200))
def test_a_description_is_one_bounded_line(text: str) -> None:
    description = describe_exception(ValueError(text * 20))
    assert len(description) <= 1000
    assert "\n" not in description


@given(
    st.integers(0, 3),
    st.integers(0, 1 << 17),
    st.integers(0, 1 << 13),
)
@settings(max_examples=examples(10))
def test_a_dead_letter_always_fits_kafka(halves: int, header_bytes: int, key_bytes: int) -> None:
    value = bytes(halves * MAX_MESSAGE_BYTES // 2)
    letters = DeadLetters(topic="dead-letters-v1", service="extract")
    poison = InMessage("images-v1", 1, 2, b"k" * key_bytes, value, {"h": "x" * header_bytes})
    letter = letters.build(poison, RejectedMessageError("too_large", "y" * 10_000))
    size = len(letter.key) + len(letter.value)
    size += sum(len(name) + len(text) for name, text in letter.headers.items())
    assert size < MAX_MESSAGE_BYTES
    assert letter.headers["reason"] == "too_large"
    assert letter.headers["offset"] == "2"

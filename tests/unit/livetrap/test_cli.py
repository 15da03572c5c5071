"""The command line by itself: help, version, mistakes, and what it costs to start."""

import errno
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version

import pytest
import typer

from livetrap.cli import app, run
from runtime.logging import get_logger

# Seconds of import that `--help` must not pay for.
SLOW_PACKAGES = {
    "astropy", "asyncpg", "confluent_kafka", "fastapi", "httpx", "numba", "numpy", "psutil",
    "pydantic_settings", "structlog", "supervisor",
}  # fmt: skip


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what `--config` leaves for the programs that a command starts."""
    monkeypatch.setenv("LIVETRAP_CONFIG", "")
    monkeypatch.delenv("LIVETRAP_CONFIG")


def commands() -> Iterator[tuple[str, typer.core.TyperCommand]]:
    """Give the path of every command, and the command."""
    root = typer.main.get_command(app)
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        yield name, command
        for sub_name, sub_command in getattr(command, "commands", {}).items():
            yield f"{name} {sub_name}", sub_command


COMMANDS = dict(commands())
RUNNABLE = [path for path in COMMANDS if not hasattr(COMMANDS[path], "commands")]


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"livetrap {version('livetrap')}\n"


def test_all_commands_are_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["--version"]) == 0
    monkeypatch.setattr(typer.main, "get_command", None)
    assert run(["--version"]) == 0


@pytest.mark.parametrize("path", RUNNABLE)
def test_every_help_has_a_sentence_and_examples_that_can_be_typed(path: str) -> None:
    help_text = COMMANDS[path].help or ""
    assert help_text.splitlines()[0].endswith((".", "`")), help_text
    if not COMMANDS[path].hidden:
        _, _, examples = help_text.partition("For example:")
        lines = [line.strip() for line in examples.splitlines() if line.strip()]
        assert lines, "no example"
        assert all(f"livetrap {path}" in line for line in lines)


@pytest.mark.parametrize("path", RUNNABLE)
def test_every_option_is_explained(path: str) -> None:
    for parameter in COMMANDS[path].params:
        assert getattr(parameter, "help", None), parameter.name


@pytest.mark.parametrize("path", COMMANDS)
def test_the_usage_marks_once_what_may_be_left_out_or_repeated(
    path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERMINAL_WIDTH", "400")
    assert run([*path.split(), "--help"]) == 0
    (usage,) = (line for line in capsys.readouterr().out.splitlines() if "Usage:" in line)
    assert not re.search(r"\[\[|\.\.\.[]}]*\.\.\.", usage), usage


def help_texts(path: str) -> list[str]:
    """Return what a command says of itself and of its parameters."""
    command = COMMANDS[path]
    if path == "simulate":  # it passes its arguments on to an application of its own
        from livetrap.simulator.cli import simulate

        own = typer.Typer()
        own.command()(simulate)
        command = typer.main.get_command(own)  # type: ignore[assignment]
    explained = [str(getattr(parameter, "help", "")) for parameter in command.params]
    return [command.help or "", *explained]


@pytest.mark.parametrize("path", COMMANDS)
def test_the_help_shows_what_is_in_brackets(
    path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERMINAL_WIDTH", "400")
    assert run([*path.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    for text in help_texts(path):
        for unit in re.findall(r"\[[^]]*\]", text):
            assert unit in shown, f"{text}: a bracket is markup, write \\\\{unit}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["uo"], "No such command 'uo'"),
        (["alerts", "show"], "Missing argument 'NAME' (see `livetrap alerts show --help`)"),
        (["up", "--api-port", "many"], "Invalid value for '--api-port'"),
        (["service", "correlate"], "'correlate' is not one of 'ingest'"),
        (["ingest", "a.fits", "--rate", "0"], "--rate 0.0: give more than 0 images a second"),
        (["ingest", "a.fits", "--set", "BMAJ"], "--set BMAJ: give KEY=VALUE, such as BMAJ=0.05"),
        (["rules", "dry-run", "--since", "soon"], "--since soon: give a number with s, m, h"),
        (["alerts", "release"], "give one of EVENT and --image"),
        (["dead-letters", "redrive"], "give one of POSITION... and --all"),
        (["--config", "nowhere.toml", "ledger"], "nowhere.toml; correct --config"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("livetrap: ")
    assert message in lines[0]


@pytest.mark.parametrize(
    ("refused", "code", "out"),
    [((), 0, "sent 499 back\n"), (("3:42 lacks",), 1, "sent 499 back, 1 not\n")],
)
def test_a_redrive_names_what_it_has_not_sent(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    refused: tuple[str, ...],
    code: int,
    out: str,
) -> None:
    from livetrap.commands import dead_letters
    from runtime import dead_letter_topic

    monkeypatch.setattr(dead_letters, "_kafka_of", lambda _: None)
    monkeypatch.setattr(dead_letter_topic, "read_newest", lambda _: [])
    monkeypatch.setattr(
        dead_letter_topic, "redrive", lambda *_: dead_letter_topic.Redrive(499, refused)
    )
    assert run(["dead-letters", "redrive", "--all"]) == code
    shown = capsys.readouterr()
    assert shown.out == out
    assert shown.err == "".join(f"livetrap: not sent: {line}\n" for line in refused)


def test_help_imports_no_slow_package() -> None:
    script = (
        "import sys; from livetrap.cli import run; run(['--help']);"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert "rich" in done.stderr.split()
    assert not SLOW_PACKAGES & set(done.stderr.split())


def test_a_warning_of_a_library_is_not_in_the_output_of_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def warn(**_: object) -> dict[str, object]:
        get_logger().warning("library_warning", library="rdkafka")
        return {}

    monkeypatch.setattr("livetrap.operator.effective_settings.describe_settings", warn)
    assert run(["settings", "--json"]) == 0
    output = capsys.readouterr()
    assert json.loads(output.out) == {}
    assert "library_warning" in output.err


def test_what_the_system_refuses_is_one_line_with_its_place_and_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/data/state.json")

    monkeypatch.setattr("livetrap.operator.effective_settings.describe_settings", refuse)
    assert run(["settings"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device (/data/state.json); free some of the disk" in line

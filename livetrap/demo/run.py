"""Run all services on a simulated sky, and print the alerts."""

import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from livetrap.demo.alert_feed import AlertFeed
from livetrap.demo.ticker import alert_line
from livetrap.demo.truth import TruthFile
from livetrap.stack.child import bind_to_parent
from livetrap.stack.errors import StackError
from livetrap.stack.foreground import run_in_foreground
from livetrap.stack.lifecycle import RunningStack
from livetrap.stack.paths import default_data_dir, make_data_dir
from livetrap.stack.plan import UpOptions
from livetrap.stack.postgres_server import remove_cluster
from livetrap.stack.state import read_running
from livetrap.stack.supervisor_config import Program
from runtime.errors import SettingsError

__all__ = ["prepare_folder", "run_demo"]

_MARKER = ".livetrap-demo"
_POLL_S = 0.5


def run_demo(
    data_dir: Path | None,
    *,
    keep: bool,
    api_port: int | None,
    vtp_port: int | None,
    report: Callable[[str], None],
) -> None:
    """Run until Ctrl-C.

    Parameters
    ----------
    data_dir : Path, optional
        Default: ``demo`` in the default data folder.
    keep : bool
        Continue with the data of the last demo.
    api_port, vtp_port : int, optional
        Ports of the command line.
    report : callable
        Called with a line for each step.

    Raises
    ------
    SettingsError
        If a demo runs already, or the folder has files that no demo wrote.
    StackError
        If the stack does not start or dies by itself.
    """
    folder = data_dir or default_data_dir() / "demo"
    if read_running(folder) is None:
        prepare_folder(folder, keep=keep)
    truth_path = folder / "truth.csv"
    options = UpOptions(
        data_dir=folder,
        api_port=api_port,
        vtp_port=vtp_port,
        extra_programs=(_simulate_program(truth_path),),
    )
    run_in_foreground(options, report=report, body=lambda stack: _show_alerts(stack, truth_path))


def prepare_folder(folder: Path, *, keep: bool) -> None:
    """Empty the folder of the demo; a folder that no demo made is refused.

    Parameters
    ----------
    folder : Path
        The demo's data folder.
    keep : bool
        Keep the data in it.

    Raises
    ------
    SettingsError
        If the folder has files that no demo wrote.
    """
    is_demo = (folder / _MARKER).exists()
    if folder.is_dir() and not is_demo and any(folder.iterdir()):
        raise SettingsError(
            f"{folder} has files that no demo wrote, and the demo would delete them; "
            "choose another --data-dir"
        )
    if is_demo and not keep:
        remove_cluster(folder)
        shutil.rmtree(folder)
    make_data_dir(folder)
    (folder / _MARKER).touch()


def _simulate_program(truth_path: Path) -> Program:
    """Return the program that simulates an endless observation."""
    command = [sys.executable, "-m", "livetrap", "simulate", "--kafka"]
    command += ["--cadence", "1", "--truth", str(truth_path)]
    # A new sky every time: the catalogue of a kept demo has the sources of the old one.
    command += ["--seed", str(int(time.time()) % 100_000)]
    return Program("simulate", "feed", tuple(bind_to_parent(command, death_signal=signal.SIGKILL)))


def _show_alerts(stack: RunningStack, truth_path: Path) -> None:
    """Start the observation and print each alert when it is sent."""
    print(
        "\nA simulated telescope takes 4 images a second; new sources appear after some seconds."
        "\nEach alert is compared with the simulator's truth. Ctrl-C stops everything.\n",
        flush=True,
    )
    truth = TruthFile(truth_path)
    feed = AlertFeed(stack.state.api_url)
    stack.supervisor.start_group("feed")
    try:
        while stack.process.poll() is None:
            for alert in feed.take(timeout_s=_POLL_S):
                print(alert_line(alert, truth), flush=True)
            stack.supervisor.assert_alive("simulate")
    finally:
        feed.close()
    raise StackError(f"supervisord ended by itself (exit code {stack.process.returncode})")

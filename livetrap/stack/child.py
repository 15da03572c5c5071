"""Run a program as a child process that ends with its parent.

``python -m livetrap.stack.child [--user NAME] [--death-signal INT] -- COMMAND...`` changes the
account if one is named, asks the kernel for a signal when the parent ends, and runs COMMAND.
"""

import argparse
import ctypes
import os
import pwd
import signal
import sys

__all__ = ["bind_to_parent", "main"]

_PR_SET_PDEATHSIG = 1


def bind_to_parent(
    command: list[str], *, death_signal: signal.Signals, user: str | None = None
) -> list[str]:
    """Return the command line that runs `command` as a child which ends with its parent.

    Parameters
    ----------
    command : list of str
        Program and arguments.
    death_signal : signal.Signals
        Signal to the child when its parent ends.
    user : str, optional
        Account to run as; only root can change it.

    Returns
    -------
    list of str
        Program and arguments.
    """
    options = ["--death-signal", str(death_signal.value)]
    if user is not None:
        options += ["--user", user]
    return [sys.executable, "-m", "livetrap.stack.child", *options, "--", *command]


def main() -> None:
    """Change the account, ask for a signal when the parent ends, and run the command."""
    parser = argparse.ArgumentParser(prog="python -m livetrap.stack.child")
    parser.add_argument("--user")
    parser.add_argument("--death-signal", type=int, default=signal.SIGTERM.value)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    parent = os.getppid()
    if options.user is not None:
        _become(options.user)
    # After the change of user: a change of credentials clears the signal.
    _die_with_parent(options.death_signal)
    if os.getppid() != parent:
        sys.exit("the parent process has ended already")
    os.execv(options.command[0], options.command)  # noqa: S606  (no shell is wanted)


def _become(user: str) -> None:
    """Change to an unprivileged account, in a folder that it can read."""
    account = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.chdir("/")


def _die_with_parent(death_signal: int) -> None:
    """Ask the kernel (Linux) for a signal when the parent ends."""
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")


if __name__ == "__main__":
    main()

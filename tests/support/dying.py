"""Make a process kill itself at a step of its work.

SIGKILL gives it no chance to tidy up; what is left is what PostgreSQL and Kafka have.
"""

import os
import signal
from typing import Any

__all__ = ["die", "die_after", "die_before", "die_before_nth"]


def die() -> None:
    """End this process."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_before(owner: type, name: str) -> None:
    """End this process when a method is called."""
    die_before_nth(owner, name, 1)


def die_before_nth(owner: type, name: str, n: int) -> None:
    """End this process when a method is called the `n`-th time."""
    work, n_calls = getattr(owner, name), 0

    def dying(*arguments: Any, **keywords: Any) -> Any:
        nonlocal n_calls
        n_calls += 1
        if n_calls == n:
            die()
        return work(*arguments, **keywords)

    setattr(owner, name, dying)


def die_after(owner: type, name: str) -> None:
    """End this process when a coroutine of a method has returned."""
    work = getattr(owner, name)

    async def dying(*arguments: Any, **keywords: Any) -> None:
        await work(*arguments, **keywords)
        die()

    setattr(owner, name, dying)

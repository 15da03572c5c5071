"""The processes of the stack that this API belongs to."""

import asyncio
from pathlib import Path

from api.errors import ProblemError
from runtime.programs import Program, SupervisorError, read_programs

__all__ = ["fetch_programs"]


async def fetch_programs(socket: Path | None) -> list[Program]:
    """Return the processes that supervisord keeps running.

    Parameters
    ----------
    socket : Path or None
        Of supervisord; None: something else runs this API.

    Returns
    -------
    list of Program
        Empty without a supervisord.

    Raises
    ------
    ProblemError
        503 if supervisord does not answer.
    """
    if socket is None:
        return []
    try:
        programs = await asyncio.to_thread(read_programs, str(socket))
    except SupervisorError as error:
        raise ProblemError(503, str(error)) from error
    return [program for program in programs.items if program.is_restarted]

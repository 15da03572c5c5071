"""Errors that a client gets to read."""

from collections.abc import Sequence

from runtime.errors import TransientError

__all__ = ["RETRY_S", "AdqlError", "BusyError", "ProblemError", "not_found", "unknown_stream"]

# What answers of status 503 say in Retry-After [s].
RETRY_S = 2


class ProblemError(Exception):
    """A request that ends in an error answer.

    Parameters
    ----------
    status : int
        HTTP status code.
    detail : str
        What is wrong and how to mend it.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class BusyError(ProblemError, TransientError):
    """More is asked at once than there are connections; the database itself is well.

    Parameters
    ----------
    what : str
        What there is too much of.
    """

    def __init__(self, what: str) -> None:
        super().__init__(503, f"too many {what}; try again in {RETRY_S} s")


def not_found(what: str, name: object) -> ProblemError:
    """Return the error for a resource that does not exist."""
    return ProblemError(404, f"there is no {what} {name}")


def unknown_stream(name: str, known: Sequence[str]) -> ProblemError:
    """Return the error for a stream that does not exist; it lists those that do."""
    offer = f"there are {', '.join(known)}" if known else "there is none yet"
    return ProblemError(404, f"there is no stream {name}; {offer}")


class AdqlError(ValueError):
    """A query that is not answered; the message says what is wrong and how to mend it."""

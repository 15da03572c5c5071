"""Errors that a client gets to read."""

from collections.abc import Sequence

__all__ = ["AdqlError", "ProblemError", "not_found", "unknown_stream"]


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


def not_found(what: str, name: object) -> ProblemError:
    """Return the error for a resource that does not exist."""
    return ProblemError(404, f"there is no {what} {name}")


def unknown_stream(name: str, known: Sequence[str]) -> ProblemError:
    """Return the error for a stream that does not exist; it lists those that do."""
    offer = f"there are {', '.join(known)}" if known else "there is none yet"
    return ProblemError(404, f"there is no stream {name}; {offer}")


class AdqlError(ValueError):
    """A query that is not answered; the message says what is wrong and how to mend it."""

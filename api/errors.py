"""Errors that a client gets to read."""

__all__ = ["ProblemError", "not_found"]


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

"""Why bytes or a header cannot be used as an image."""

__all__ = ["HeaderError"]


class HeaderError(ValueError):
    """These bytes are no image that can be measured.

    Parameters
    ----------
    code : str
        Stable reason, snake_case.
    message : str
        What is wrong, where, and how to mend it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

"""What the alert service raises."""

__all__ = ["NotDueError"]


class NotDueError(Exception):
    """The event becomes no alert.

    Parameters
    ----------
    reason_code : str
        ``no_rule`` or ``never_alerted``.
    """

    def __init__(self, reason_code: str) -> None:
        super().__init__(reason_code)
        self.reason_code = reason_code

"""What the alert service raises."""

__all__ = ["NotDueError", "SuppressedError"]


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


class SuppressedError(Exception):
    """The event is one of too many: an operator decides whether it becomes an alert.

    Parameters
    ----------
    storm : str
        What the notice of its storm is about, in its stream: an image, a minute, side lobes.
    reason : str
        Text for the operator and the subscribers.
    """

    def __init__(self, storm: str, reason: str) -> None:
        super().__init__(reason)
        self.storm = storm
        self.reason = reason

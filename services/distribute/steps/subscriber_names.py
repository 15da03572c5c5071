"""Under which name the acknowledgements of a VTP subscriber are kept."""

import secrets

from runtime.settings import VtpSettings
from services.distribute.steps.transport import PeerMessage

__all__ = ["SubscriberNames"]


class SubscriberNames:
    """Knows who must prove a name, and whether a connection has done so.

    Parameters
    ----------
    settings : VtpSettings
        Names with tokens, and whether others have a name at all.
    host : str
        Address of the connection.
    """

    def __init__(self, settings: VtpSettings, host: str) -> None:
        self._tokens = {each.name: each.token for each in settings.subscribers}
        self._needs_token = settings.replay_needs_token
        self._host = host
        self._proven = ""

    def identify(self, message: PeerMessage) -> str:
        """Return the name of whoever sent a message; empty if it has none here.

        A name with a token is the same from any address. One without is of its address: the
        same name elsewhere is another one.
        """
        name = message.response
        token = self._tokens.get(name)
        if token is None:
            return f"{name}@{self._host}" if name and not self._needs_token else ""
        if message.role == "authenticate" and secrets.compare_digest(
            message.token.encode(), token.get_secret_value().encode()
        ):
            self._proven = name
        return name if self._proven == name else ""

    def is_unproven(self, message: PeerMessage) -> bool:
        """Return whether a message claims a name that needs a token without proof."""
        return message.response in self._tokens and self._proven != message.response

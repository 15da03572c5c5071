"""Subscriptions over the API, which knows whose they are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from runtime.errors import SettingsError, TransientError
from runtime.settings import load_settings

__all__ = ["SubscriptionClient", "render", "to_wanted"]

_TIMEOUT_S = 60.0
Json = dict[str, Any]


class SubscriptionClient:
    """Asks the API.

    Parameters
    ----------
    url : str
        Its address.
    token : str
        Bearer token.
    """

    def __init__(self, url: str, token: str) -> None:
        self._client = httpx.Client(
            base_url=f"{url}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=_TIMEOUT_S,
            trust_env=False,
        )

    @classmethod
    def of_settings(cls, token: str | None) -> Self:
        """Return a client of the API of the settings.

        Raises
        ------
        SettingsError
            If there is no token.
        """
        api = load_settings().api
        chosen = token or (api.write_token and api.write_token.get_secret_value())
        if not chosen:
            raise SettingsError("no token: give --token, or set LIVETRAP_API__WRITE_TOKEN")
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(api.host, api.host)  # noqa: S104
        return cls(f"http://{host}:{api.port}", chosen)

    def list_all(self) -> list[Json]:
        """Return the subscriptions; errors of every call: `SettingsError` with the API's words."""
        found: list[Json] = self._ask("GET", "/subscriptions").json()
        return found

    def add(self, wanted: Json) -> Json:
        """Make a subscription; return it."""
        made: Json = self._ask("POST", "/subscriptions", wanted).json()
        return made

    def dry_run(self, wanted: Json) -> Json:
        """Return the counts of what a subscription would have got."""
        found: Json = self._ask("POST", "/subscriptions/dry-run", wanted).json()
        return found

    def delete(self, name: str) -> None:
        """Delete a subscription."""
        self._ask("DELETE", f"/subscriptions/{name}")

    def replay(self, wanted: Json) -> Json:
        """Ask for a replay; return it."""
        made: Json = self._ask("POST", "/alerts/replay", wanted).json()
        return made

    def _ask(self, method: str, path: str, body: Json | None = None) -> httpx.Response:
        try:
            answer = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise TransientError(f"the API at {self._client.base_url} is away: {error}") from error
        if answer.is_error:
            raise SettingsError(_detail_of(answer))
        return answer


def _detail_of(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the API answered {answer.status_code}"


def to_wanted(
    *, rule: str, cone: tuple[float, float, float] | None, moc: Path | None, schedule: str
) -> Json:
    """Return what is wanted, as the API takes it.

    Raises
    ------
    SettingsError
        If the coverage map cannot be read.
    """
    try:
        coverage = "" if moc is None else moc.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the coverage map in {moc}: {error}") from error
    circle = None if cone is None else dict(zip(("ra", "dec", "radius_deg"), cone, strict=True))
    return {"rule": rule, "cone": circle, "moc": coverage, "schedule": schedule}


def render(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a table of subscriptions for a terminal."""
    if not rows:
        return "no subscriptions"
    lines = []
    for row in rows:
        state = row["disabled_reason"] or row["failure_reason"] or "ok"
        target = f"{row['channel']} {row['target']}".strip()
        lines.append(
            f"{row['name']:<24}{row['owner']:<16}{target:<40}{row['n_delivered']:>7} sent  {state}"
        )
    return "\n".join(lines)

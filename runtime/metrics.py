"""Prometheus over HTTP for a worker that has no web server of its own."""

from prometheus_client import start_http_server

from runtime.errors import SettingsError
from runtime.settings import MetricsSettings

__all__ = ["serve_metrics"]


def serve_metrics(settings: MetricsSettings) -> None:
    """Serve ``/metrics`` from a thread; port 0 means off.

    Raises
    ------
    SettingsError
        If the port is taken.
    """
    if settings.port == 0:
        return
    try:
        start_http_server(settings.port, addr=settings.host)
    except OSError as error:
        raise SettingsError(
            f"cannot serve metrics on port {settings.port}: {error} (LIVETRAP_METRICS__PORT)"
        ) from error

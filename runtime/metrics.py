"""The Prometheus endpoint of a worker, and the metrics that all workers share."""

from prometheus_client import Counter, start_http_server

from runtime.errors import SettingsError
from runtime.listening import format_address
from runtime.settings import MetricsSettings

__all__ = ["DEAD_LETTERS", "serve_metrics"]

DEAD_LETTERS = Counter(
    "livetrap_dead_letters_total", "Messages that became dead letters", ["service", "reason"]
)


def serve_metrics(settings: MetricsSettings) -> None:
    """Serve ``/metrics`` from a thread; port 0 means off.

    Raises
    ------
    SettingsError
        If the address is taken, or is none of this machine.
    """
    if settings.port == 0:
        return
    try:
        start_http_server(settings.port, addr=settings.host)
    except OSError as error:
        raise SettingsError(
            f"cannot serve metrics on {format_address(settings.host, settings.port)}: {error}; "
            "free it or change LIVETRAP_METRICS__HOST, LIVETRAP_METRICS__PORT"
        ) from error

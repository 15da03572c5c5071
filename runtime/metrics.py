"""The port of a worker for Prometheus and the probes, and the metrics that all workers share."""

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import Counter, make_wsgi_app

from runtime.health import Health
from runtime.listening import create_listener
from runtime.settings import MetricsSettings

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["DEAD_LETTERS", "serve_metrics"]

DEAD_LETTERS = Counter(
    "livetrap_dead_letters_total", "Messages that became dead letters", ["service", "reason"]
)


def serve_metrics(settings: MetricsSettings, health: Health) -> int | None:
    """Serve ``/metrics``, ``/healthz`` and ``/readyz`` from a thread; port 0 means off.

    Parameters
    ----------
    settings : MetricsSettings
        Where to listen.
    health : Health
        What the probes ask.

    Returns
    -------
    int or None
        The port; None if it is off.

    Raises
    ------
    SettingsError
        If the address is taken, or is none of this machine.
    """
    if settings.port == 0:
        return None
    return _serve(settings, health)


def _serve(settings: MetricsSettings, health: Health) -> int:
    listener = create_listener(
        settings.host, settings.port, settings="LIVETRAP_METRICS__HOST, LIVETRAP_METRICS__PORT"
    )
    listener.listen()
    server = _Server((settings.host, settings.port), _SilentHandler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_name, server.server_port = settings.host, listener.getsockname()[1]
    server.setup_environ()
    server.set_app(_build_app(health))
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server.server_port


class _Server(ThreadingMixIn, WSGIServer):
    """A probe that waits for Kafka delays no other request."""

    daemon_threads = True


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log no request: there are some every second."""


def _build_app(health: Health) -> "WSGIApplication":
    exposition: WSGIApplication = make_wsgi_app()
    probes: dict[str, Callable[[], str | None]] = {
        "/healthz": health.find_stall,
        "/readyz": health.find_outage,
    }

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path in {"/", "/metrics"}:
            return exposition(environ, start_response)
        probe = probes.get(path)
        reason = probe() if probe else "there are /metrics, /healthz and /readyz"
        status = "404 Not Found" if probe is None else "503 Service Unavailable"
        headers = [("Content-Type", "text/plain; charset=utf-8")]
        start_response(status if reason else "200 OK", headers)
        return [f"{reason or 'ok'}\n".encode()]

    return app

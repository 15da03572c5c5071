"""Decide what a stack starts, on which ports, and which servers of others it uses."""

from dataclasses import dataclass, field
from pathlib import Path

from livetrap.stack.ports import choose_port
from livetrap.stack.supervisor_config import Program
from runtime.errors import SettingsError
from runtime.settings import Settings, load_settings

__all__ = ["Plan", "UpOptions", "make_plan"]

_POSTGRES_PORT = 55432


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What the operator asked for; None leaves the choice to us.

    Parameters
    ----------
    data_dir : Path
        Everything of this installation stands here.
    api_port, vtp_port : int, optional
        Ports of the API and the VOEvent server.
    kafka, postgres : str, optional
        Servers of somebody else; then none is started here.
    extractors : int
        Number of extract processes.
    extra_programs : tuple of Program
        More to supervise, such as a simulator.
    """

    data_dir: Path
    api_port: int | None = None
    vtp_port: int | None = None
    kafka: str | None = None
    postgres: str | None = None
    extractors: int = 1
    extra_programs: tuple[Program, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Plan:
    """Where everything will listen.

    Parameters
    ----------
    kafka_url, postgres_url : str or None
        Servers of somebody else; None: start our own.
    kafka_port, controller_port, postgres_port : int
        Of our own servers; unused for servers of somebody else.
    api_port, vtp_port : int
        Of the services.
    api_host : str
        Where a browser on this machine finds the API.
    """

    kafka_url: str | None
    postgres_url: str | None
    kafka_port: int
    controller_port: int
    postgres_port: int
    api_port: int
    vtp_port: int
    api_host: str

    @property
    def api_url(self) -> str:
        """Address of the web UI."""
        return f"http://{self.api_host}:{self.api_port}"

    @property
    def own_ports(self) -> list[int]:
        """Ports that this stack occupies."""
        ports = [self.api_port, self.vtp_port]
        if self.kafka_url is None:
            ports += [self.kafka_port, self.controller_port]
        if self.postgres_url is None:
            ports.append(self.postgres_port)
        return ports


def make_plan(options: UpOptions) -> Plan:
    """Choose ports and servers from the command line, then the settings, then what is free.

    Parameters
    ----------
    options : UpOptions
        The command line.

    Returns
    -------
    Plan
        Ports that are free now.

    Raises
    ------
    SettingsError
        If a port that was asked for is busy, or our own Kafka is asked for security.
    """
    settings = load_settings()
    taken: set[int] = set()
    api_port, vtp_port = _service_ports(options, settings, taken)
    kafka_port = choose_port(9092, taken=taken)
    kafka_url = options.kafka or _asked_kafka(settings)
    if kafka_url is None:
        _refuse_security_of_our_own(settings)
    return Plan(
        kafka_url=kafka_url,
        postgres_url=options.postgres or _asked_postgres(settings),
        kafka_port=kafka_port,
        controller_port=choose_port(kafka_port + 1, taken=taken),
        postgres_port=choose_port(_POSTGRES_PORT, taken=taken),
        api_port=api_port,
        vtp_port=vtp_port,
        api_host=_reachable(settings.api.host),
    )


def _service_ports(options: UpOptions, settings: Settings, taken: set[int]) -> tuple[int, int]:
    """Choose the ports that people type in."""
    asked_api = options.api_port or _if_set(
        settings.api.port, "port" in settings.api.model_fields_set
    )
    asked_vtp = options.vtp_port or _if_set(
        settings.vtp.port, "port" in settings.vtp.model_fields_set
    )
    return (
        choose_port(8080, asked=asked_api, option="--api-port", taken=taken),
        choose_port(8099, asked=asked_vtp, option="--vtp-port", taken=taken),
    )


def _if_set(port: int, is_set: bool) -> int | None:  # noqa: FBT001  (private, two arguments)
    """Return a port somebody set; 0 means any."""
    return port if is_set and port else None


def _asked_kafka(settings: Settings) -> str | None:
    """Return the broker that environment or file name, if they do."""
    section = settings.kafka
    return section.bootstrap_servers if "bootstrap_servers" in section.model_fields_set else None


def _refuse_security_of_our_own(settings: Settings) -> None:
    """Refuse what would leave every service waiting before a door that nobody opens."""
    protocol = settings.kafka.security_protocol
    if protocol != "plaintext":
        raise SettingsError(
            f"LIVETRAP_KAFKA__SECURITY_PROTOCOL={protocol} is for a Kafka of yours: name it with "
            "--kafka; the one that is started here speaks plain text on loopback"
        )


def _asked_postgres(settings: Settings) -> str | None:
    """Return the database that environment or file name, if they do."""
    section = settings.postgres
    return section.url.get_secret_value() if "url" in section.model_fields_set else None


def _reachable(host: str) -> str:
    """Return an address to connect to for an address to listen on."""
    return "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host  # noqa: S104  (compared only)

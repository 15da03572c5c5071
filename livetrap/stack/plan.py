"""Decide what a stack starts, on which ports, and which external servers it uses."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from livetrap.stack.ports import choose_port
from livetrap.stack.supervisor_config import Program
from runtime.errors import SettingsError
from runtime.listening import format_address
from runtime.settings import Settings, load_settings

__all__ = ["Plan", "UpOptions", "make_plan"]

_POSTGRES_PORT = 55432


@dataclass(frozen=True, slots=True)
class UpOptions:
    """The command line of `livetrap up`; None where an option was not given.

    Parameters
    ----------
    data_dir : Path
        Folder of this installation.
    api_port, vtp_port : int, optional
        Ports of the API and the VOEvent server.
    kafka, postgres : str, optional
        External servers; then none is started here.
    extractors : int
        Number of extract processes.
    archive_days : float, optional
        For how long records are archived [d]; None: not at all.
    extra_programs : tuple of Program
        More to supervise, such as a simulator.
    """

    data_dir: Path
    api_port: int | None = None
    vtp_port: int | None = None
    kafka: str | None = None
    postgres: str | None = None
    extractors: int = 1
    archive_days: float | None = None
    extra_programs: tuple[Program, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Plan:
    """The servers and ports of a stack.

    Parameters
    ----------
    kafka_url, postgres_url : str or None
        External servers; None: start our own.
    kafka_port, controller_port, postgres_port : int
        Of our own servers; unused for external ones.
    api_host, vtp_host : str
        Where a program on this machine reaches the services.
    api_port, vtp_port : int
        Ports of the services.
    archives_images : bool
        Whether accepted images are archived.
    """

    kafka_url: str | None
    postgres_url: str | None
    kafka_port: int
    controller_port: int
    postgres_port: int
    api_host: str
    api_port: int
    vtp_host: str
    vtp_port: int
    archives_images: bool = False

    @property
    def api_url(self) -> str:
        """Address of the web UI."""
        return f"http://{format_address(self.api_host, self.api_port)}"

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
    """Choose servers and ports from the command line, then the settings, then free ports.

    Parameters
    ----------
    options : UpOptions
        The command line.

    Returns
    -------
    Plan
        Its ports are free now.

    Raises
    ------
    SettingsError
        If a port of the command line or the settings is in use, or the settings ask for a
        secured Kafka while none is named.
    """
    settings = load_settings()
    taken: set[int] = set()
    api_port, vtp_port = _service_ports(options, settings, taken)
    kafka_port = choose_port(9092, taken=taken)
    kafka_url = options.kafka or _configured_kafka(settings)
    if kafka_url is None:
        _refuse_security_of_our_own(settings)
    return Plan(
        kafka_url=kafka_url,
        postgres_url=options.postgres or _configured_postgres(settings),
        kafka_port=kafka_port,
        controller_port=choose_port(kafka_port + 1, taken=taken),
        postgres_port=choose_port(_POSTGRES_PORT, taken=taken),
        api_host=_reachable(settings.api.host),
        api_port=api_port,
        vtp_host=_reachable(settings.vtp.host),
        vtp_port=vtp_port,
        archives_images=settings.archive.url is not None,
    )


def _service_ports(options: UpOptions, settings: Settings, taken: set[int]) -> tuple[int, int]:
    """Choose the ports of the API and of the VOEvent server."""
    api_port = options.api_port or _configured_port(settings.api.port, settings.api)
    vtp_port = options.vtp_port or _configured_port(settings.vtp.port, settings.vtp)
    return (
        choose_port(8080, wanted=api_port, option="--api-port", taken=taken),
        choose_port(8099, wanted=vtp_port, option="--vtp-port", taken=taken),
    )


def _configured_port(port: int, section: BaseModel) -> int | None:
    """Return a port that environment or file name, if they do; 0 means any."""
    return port or None if "port" in section.model_fields_set else None


def _configured_kafka(settings: Settings) -> str | None:
    """Return the broker that environment or file name, if they do."""
    section = settings.kafka
    return section.bootstrap_servers if "bootstrap_servers" in section.model_fields_set else None


def _refuse_security_of_our_own(settings: Settings) -> None:
    """Refuse security settings that every service would use and our own broker does not know."""
    protocol = settings.kafka.security_protocol
    if protocol != "plaintext":
        raise SettingsError(
            f"LIVETRAP_KAFKA__SECURITY_PROTOCOL={protocol} needs an external Kafka: name it with "
            "--kafka HOST:PORT; the one that is started here speaks plain text on loopback"
        )


def _configured_postgres(settings: Settings) -> str | None:
    """Return the database that environment or file name, if they do."""
    section = settings.postgres
    return section.url.get_secret_value() if "url" in section.model_fields_set else None


def _reachable(host: str) -> str:
    """Return an address to connect to for an address to listen on."""
    loopback = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  (a key only)
    return loopback.get(host, host)

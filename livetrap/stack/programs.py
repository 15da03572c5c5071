"""The programs of a stack, as supervisord runs them, and the files of its own servers."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from livetrap.stack.child import bind_to_parent
from livetrap.stack.kafka_broker import KafkaBroker
from livetrap.stack.kafka_jars import fetch_jars
from livetrap.stack.paths import numba_cache
from livetrap.stack.plan import Plan, UpOptions
from livetrap.stack.postgres_server import PostgresServer, open_server
from livetrap.stack.supervisor_config import Program
from runtime.settings import ENV_PREFIX, LOCATION_VARIABLES

__all__ = ["SERVICES", "Prepared", "environment_of", "prepare"]

SERVICES = ("extract", "associate", "alert", "distribute", "api")


@dataclass(frozen=True, slots=True)
class Prepared:
    """Servers with their files, and all programs.

    Parameters
    ----------
    kafka : KafkaBroker or None
        None: an external one is used.
    postgres : PostgresServer or None
        None: an external one is used.
    programs : tuple of Program
        For supervisord.
    """

    kafka: KafkaBroker | None
    postgres: PostgresServer | None
    programs: tuple[Program, ...]


def prepare(options: UpOptions, plan: Plan, *, report: Callable[[str], None]) -> Prepared:
    """Write the files of the servers and return all programs.

    Parameters
    ----------
    options : UpOptions
        The command line.
    plan : Plan
        Servers and ports.
    report : callable
        Called with a line for each step.

    Raises
    ------
    StackError
        If a server cannot be fetched or its files cannot be made.
    """
    kafka, postgres = None, None
    programs: list[Program] = []
    if plan.kafka_url is None:
        folder = options.data_dir / "kafka"
        kafka = KafkaBroker(folder, port=plan.kafka_port, controller_port=plan.controller_port)
        jars = fetch_jars()
        report("starting Apache Kafka")
        kafka.prepare(jars)
        programs.append(_kafka_program(kafka, jars))
    if plan.postgres_url is None:
        report("starting PostgreSQL")
        postgres = open_server(options.data_dir, port=plan.postgres_port)
        postgres.prepare()
        programs.append(_postgres_program(postgres))
    programs += _service_programs(options.extractors)
    if plan.archives_images:
        programs.append(_service_program("archive-images", "archive"))
    if options.archive_days is not None:
        programs.append(_archive_program(options.data_dir, options.archive_days))
    return Prepared(kafka, postgres, (*programs, *options.extra_programs))


def environment_of(plan: Plan, prepared: Prepared, data_dir: Path) -> dict[str, str]:
    """Return the variables that every program of a stack gets."""
    postgres, kafka = prepared.postgres, prepared.kafka
    own_cluster = {} if kafka is None else {"LIVETRAP_KAFKA__CLUSTER_ID": kafka.cluster_id}
    postgres_url = plan.postgres_url if postgres is None else postgres.url
    cache = numba_cache(data_dir)
    own_cache = {} if cache is None else {"NUMBA_CACHE_DIR": str(cache)}
    return (
        _places()
        | own_cache
        | own_cluster
        | {
            "LIVETRAP_KAFKA__BOOTSTRAP_SERVERS": plan.kafka_url or f"127.0.0.1:{plan.kafka_port}",
            "LIVETRAP_POSTGRES__URL": str(postgres_url),
            "LIVETRAP_API__PORT": str(plan.api_port),
            "LIVETRAP_VTP__PORT": str(plan.vtp_port),
            "LIVETRAP_STATE_DIR": str(data_dir / "state"),
        }
    )


def _places() -> dict[str, str]:
    """Return what relative paths mean to this command: programs run in the data folder."""
    names = (ENV_PREFIX + name for name in LOCATION_VARIABLES)
    places = {name: os.environ[name] for name in names if os.environ.get(name)}
    with suppress(FileNotFoundError):  # somebody has deleted it: then no relative path means any
        places[f"{ENV_PREFIX}WORK_DIR"] = str(Path.cwd())
    return {name: str(Path(place).expanduser().absolute()) for name, place in places.items()}


def _kafka_program(kafka: KafkaBroker, jars: Path) -> Program:
    command = bind_to_parent(kafka.command(jars), death_signal=signal.SIGTERM)
    return Program("kafka", "servers", tuple(command), autostart=True, stop_wait_s=30)


def _postgres_program(postgres: PostgresServer) -> Program:
    """Return the program of the database; SIGINT is its fast shutdown."""
    command = bind_to_parent(postgres.command(), death_signal=signal.SIGINT, user=postgres.account)
    return Program(
        "postgres", "servers", tuple(command), autostart=True, stop_signal="INT", stop_wait_s=30
    )


def _service_programs(extractors: int) -> list[Program]:
    """Return the programs of the services; several extractors are numbered."""
    numbers = [""] if extractors == 1 else [f"-{number + 1}" for number in range(extractors)]
    names = [(f"extract{number}", "extract") for number in numbers]
    names += [(name, name) for name in SERVICES if name != "extract"]
    return [_service_program(program, service) for program, service in names]


def _service_program(program: str, service: str) -> Program:
    return _livetrap_program(program, "service", service)


def _archive_program(data_dir: Path, keep_days: float) -> Program:
    """Return the program that archives records; few files a day, as Kafka keeps what waits."""
    return _livetrap_program(
        "archive", "streams", "archive", "--follow",
        "--data-dir", str(data_dir), "--every-s", "600", "--keep-days", str(keep_days),
    )  # fmt: skip


def _livetrap_program(program: str, *arguments: str) -> Program:
    command = bind_to_parent(
        [sys.executable, "-m", "livetrap", *arguments], death_signal=signal.SIGKILL
    )
    # A name in its Kafka group: a restarted service has its partitions at once.
    environment = (("LIVETRAP_KAFKA__INSTANCE_ID", program),)
    return Program(program, "services", tuple(command), environment=environment)

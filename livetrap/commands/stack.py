"""Commands about the whole service on this machine: up, down, status, demo."""

import json
import sys
from typing import Annotated

import typer

from livetrap.commands.options import DataDir, JsonOutput, chosen_data_dir

__all__ = ["demo", "down", "fetch", "status", "up"]

ApiPort = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Port of web UI and REST (8080)")
]
VtpPort = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Port of the VOEvent server (8099)")
]
Extractors = Annotated[int, typer.Option(min=1, max=64, help="Number of source finders")]


def up(
    *,
    detach: Annotated[bool, typer.Option("--detach", help="Return once it is ready")] = False,
    data_dir: DataDir = None,
    api_port: ApiPort = None,
    vtp_port: VtpPort = None,
    kafka: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Use this Kafka, start none")
    ] = None,
    postgres: Annotated[
        str | None, typer.Option(metavar="URL", help="Use this PostgreSQL, start none")
    ] = None,
    extractors: Extractors = 1,
) -> None:
    """Start Kafka, PostgreSQL and all services; print `ready` when they work.

    Busy default ports are replaced by free ones; `livetrap status` tells which.

    Examples: `livetrap up` (Ctrl-C stops it) · `livetrap up --detach --extractors 2`
    · `livetrap up --kafka broker:9092 --postgres postgresql://me:secret@db/livetrap`
    """
    from livetrap.stack.foreground import announce, run_in_foreground, stop_requests  # noqa: PLC0415
    from livetrap.stack.plan import UpOptions  # noqa: PLC0415
    from livetrap.stack.stack import start  # noqa: PLC0415

    options = UpOptions(
        data_dir=chosen_data_dir(data_dir),
        api_port=api_port,
        vtp_port=vtp_port,
        kafka=kafka,
        postgres=postgres,
        extractors=extractors,
    )
    if detach:
        with stop_requests():
            announce(start(options, detach=True, tell=_tell).state)
    else:
        run_in_foreground(options, tell=_tell)


def down(*, data_dir: DataDir = None) -> None:
    """Stop everything that `livetrap up` started; return when its ports are free.

    Example: `livetrap down --data-dir /data/livetrap`
    """
    from livetrap.stack.stack import stop  # noqa: PLC0415

    where = chosen_data_dir(data_dir)
    print("stopped" if stop(where) else f"nothing runs in {where}")


def status(*, data_dir: DataDir = None, as_json: JsonOutput = False) -> None:
    """Tell what runs, where it listens, and how the books stand.

    Examples: `livetrap status` · `livetrap status --json | jq .api_url`
    """
    from livetrap.stack.status import get_status, render_status  # noqa: PLC0415

    found = get_status(chosen_data_dir(data_dir))
    print(json.dumps(found, indent=2) if as_json else render_status(found))


def demo(
    *,
    data_dir: DataDir = None,
    keep: Annotated[bool, typer.Option("--keep", help="Go on with the last demo's data")] = False,
    api_port: ApiPort = None,
    vtp_port: VtpPort = None,
) -> None:
    """Watch a simulated sky: everything of `up`, a stream of images, alerts as they come.

    Ctrl-C stops it all and leaves no process behind.

    Examples: `livetrap demo` · `livetrap demo --api-port 8081`
    """
    from livetrap.demo.demo import run_demo  # noqa: PLC0415

    chosen = None if data_dir is None else chosen_data_dir(data_dir)
    run_demo(chosen, keep=keep, api_port=api_port, vtp_port=vtp_port, tell=_tell)


def fetch() -> None:
    """Download Apache Kafka once, so that later starts need no network."""
    from livetrap.stack.kafka_jars import fetch_jars  # noqa: PLC0415

    print(f"Apache Kafka is in {fetch_jars()}")


def _tell(line: str) -> None:
    """Report progress beside the output that scripts read."""
    print(line, file=sys.stderr, flush=True)

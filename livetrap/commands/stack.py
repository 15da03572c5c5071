"""Commands about the whole service on this machine: up, down, status, demo."""

import importlib
import json
import os
import shutil
import sys
from typing import Annotated

import typer

from livetrap.commands.options import DataDir, JsonOutput, chosen_data_dir
from livetrap.stack.errors import require_servers

__all__ = ["demo", "down", "fetch", "prune", "status", "up"]

ApiPort = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Port of web UI and REST (default: 8080, or any free)"),
]
VtpPort = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Port of the VOEvent server (default: 8099, or any free)"),
]
Extractors = Annotated[int, typer.Option(min=1, max=64, help="Number of extract processes")]


def up(
    *,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when it is ready, and leave it running")
    ] = False,
    data_dir: DataDir = None,
    api_port: ApiPort = None,
    vtp_port: VtpPort = None,
    kafka: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Use this Kafka; start none (default: the configured one)"
        ),
    ] = None,
    postgres: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Use this PostgreSQL; start none (default: the configured one)"
        ),
    ] = None,
    extractors: Extractors = 1,
    archive_days: Annotated[
        float | None,
        typer.Option(
            min=1.0,
            help="Archive the records of detections for so long \\[d]; default: no archive",
        ),
    ] = None,
) -> None:
    """Start Kafka, PostgreSQL, extract, associate, alert, distribute and api; print `ready` then.

    Default ports that are in use are replaced by free ones: `livetrap status` shows them. With
    LIVETRAP_ARCHIVE__URL the archive of images starts too; a folder of files is watched by
    `livetrap service ingest`. Relative paths in settings mean the folder of this command.

    For example:

        livetrap up                          # Ctrl-C stops it
        livetrap up --detach --extractors 2  # `livetrap down` stops it
        livetrap up --archive-days 90        # `livetrap replay` reads the archive
        livetrap up --kafka broker:9092 --postgres postgresql://me:secret@db/livetrap
    """
    require_servers()
    from livetrap.stack.foreground import announce, run_in_foreground, stop_requests  # noqa: PLC0415
    from livetrap.stack.lifecycle import start  # noqa: PLC0415
    from livetrap.stack.plan import UpOptions  # noqa: PLC0415
    from livetrap.stream_replay.archive_files import require_parquet  # noqa: PLC0415

    if archive_days is not None:
        require_parquet()
    options = UpOptions(
        data_dir=chosen_data_dir(data_dir),
        api_port=api_port,
        vtp_port=vtp_port,
        kafka=kafka,
        postgres=postgres,
        extractors=extractors,
        archive_days=archive_days,
    )
    _name_leftovers()
    if detach:
        with stop_requests():
            announce(start(options, detach=True, report=_report).state)
    else:
        run_in_foreground(options, report=_report)


def down(*, data_dir: DataDir = None) -> None:
    """Stop all that `livetrap up` started; return when its ports are free.

    For example:

        livetrap down
        livetrap down --data-dir /data/livetrap
    """
    require_servers()
    from livetrap.stack.lifecycle import stop  # noqa: PLC0415

    folder = chosen_data_dir(data_dir)
    print("stopped" if stop(folder) else f"nothing runs in {folder}")


def status(*, data_dir: DataDir = None, as_json: JsonOutput = False) -> None:
    """Show processes, addresses, the age of the last image and alert, and image counts.

    For example:

        livetrap status
        livetrap status --json | jq .api_url
    """
    from livetrap.operator.status import get_status, render_status  # noqa: PLC0415

    found = get_status(chosen_data_dir(data_dir))
    print(json.dumps(found, indent=2) if as_json else render_status(found))


def prune(
    *,
    remove: Annotated[
        bool, typer.Option("--remove", help="Delete those whose data folder is known and gone")
    ] = False,
    unused_h: Annotated[
        float | None,
        typer.Option(
            min=1.0,
            help="With --remove: also those of an unknown data folder that no server has written "
            "to for so long \\[h]. Start each stack of this machine once before: that makes its "
            "folder known",
        ),
    ] = None,
) -> None:
    """List databases in /var/lib/livetrap whose data folder is gone, and delete them.

    As root a stack keeps its database there when other accounts cannot enter its data folder. A
    data folder on a disk that is not mounted looks gone; one that was moved is known again once
    its stack has been started.

    For example:

        livetrap prune                        # lists them
        livetrap prune --remove               # deletes them
        livetrap prune --remove --unused-h 48 # and those of an unknown data folder
    """
    require_servers()
    from livetrap.stack.leftovers import find_leftovers  # noqa: PLC0415

    found = find_leftovers()
    for each in found:
        print(f"{each.n_bytes() >> 20:6d} MiB  {each.folder}  of {each.data_dir or 'unknown'}")
    chosen = [
        each
        for each in found
        if remove and (each.data_dir or (unused_h is not None and each.unused_h() > unused_h))
    ]
    for each in chosen:
        shutil.rmtree(each.folder)
    print(f"{len(found)} databases without a data folder, {len(chosen)} deleted")


def demo(
    *,
    data_dir: DataDir = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Continue with the data of the last demo")
    ] = False,
    api_port: ApiPort = None,
    vtp_port: VtpPort = None,
) -> None:
    """Start all services on a simulated sky, and print alerts as they are sent.

    Ctrl-C stops all of it.

    For example:

        livetrap demo
        livetrap demo --api-port 8081
    """
    require_servers()
    from livetrap.demo.run import run_demo  # noqa: PLC0415

    folder = None if data_dir is None else chosen_data_dir(data_dir)
    run_demo(folder, keep=keep, api_port=api_port, vtp_port=vtp_port, report=_report)


def fetch() -> None:
    """Download Kafka, link its classes, compile kernels: starts need no network and are faster."""
    require_servers()
    from livetrap.stack.kafka_class_cache import prepare_classes  # noqa: PLC0415
    from livetrap.stack.kafka_jars import fetch_jars  # noqa: PLC0415

    print(f"Apache Kafka is in {fetch_jars()}")
    if prepare_classes() is None:
        print("this Java cannot link its classes in advance; starts take some seconds more")
    # The first import compiles the kernels.
    importlib.import_module("services.extract.app")
    importlib.import_module("services.extract.kernels.crowding")
    print("the kernels of extract are compiled for this processor")


def _name_leftovers() -> None:
    """Say which databases of data folders that are gone fill the disk."""
    from livetrap.stack.leftovers import find_leftovers  # noqa: PLC0415

    # Other accounts keep their database in the data folder.
    n_gone = len(find_leftovers()) if os.geteuid() == 0 else 0
    if n_gone:
        _report(
            f"{n_gone} databases in /var/lib/livetrap have no data folder any more, or an unknown "
            "one: `livetrap prune` lists them"
        )


def _report(line: str) -> None:
    """Print a step to standard error: standard output is for scripts."""
    print(line, file=sys.stderr, flush=True)

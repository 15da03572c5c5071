"""Commands about an installation: service, migrate, settings, ledger."""

import importlib
import json
from enum import StrEnum
from typing import Annotated

import typer

from livetrap.commands.options import DataDir, JsonOutput, use_running_stack

__all__ = ["ledger", "migrate", "service", "settings"]


class ServiceName(StrEnum):
    """Services that `livetrap service` runs."""

    INGEST = "ingest"
    EXTRACT = "extract"
    ASSOCIATE = "associate"
    ALERT = "alert"
    DISTRIBUTE = "distribute"
    ARCHIVE = "archive"
    API = "api"


def service(
    name: Annotated[ServiceName, typer.Argument(metavar="NAME", help="Service to run")],
) -> None:
    """Run one service in the foreground until SIGTERM, as Kubernetes does.

    For example:

        livetrap service extract
        LIVETRAP_KAFKA__BOOTSTRAP_SERVERS=broker:9092 livetrap service extract
    """
    module = "api.app" if name is ServiceName.API else f"services.{name.value}.app"
    importlib.import_module(module).main()


def migrate(*, data_dir: DataDir = None) -> None:
    """Bring the database schema up to date; safe to run again, and twice at once.

    For example:

        livetrap migrate
        LIVETRAP_POSTGRES__URL=postgresql://me:secret@db/livetrap livetrap migrate
    """
    from livetrap.database.migrations import migrate as apply_migrations  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    applied = apply_migrations(load_settings().postgres.url.get_secret_value())
    for migration in applied:
        print(f"applied {migration}")
    if not applied:
        print("the schema is up to date")


def settings(*, data_dir: DataDir = None, as_json: JsonOutput = False) -> None:
    """Print every setting: value, meaning with unit, and where it came from; no secrets.

    A setting comes from the default, the configuration file or the environment; the later wins.
    Where neither names the servers they are those of the stack that runs; with `--data-dir` in any
    case.

    For example:

        livetrap settings
        livetrap settings --config site.toml
        LIVETRAP_EXTRACT__DETECTION_THRESHOLD_SIGMA=6 livetrap settings --json
    """
    from livetrap.operator.effective_settings import describe_settings, render_settings  # noqa: PLC0415

    found = describe_settings(of_stack=use_running_stack(data_dir))
    print(json.dumps(found, indent=2) if as_json else render_settings(found))


def ledger(*, data_dir: DataDir = None, as_json: JsonOutput = False) -> None:
    """Count the images by outcome: processed, rejected, duplicate, late.

    For example:

        livetrap ledger
        livetrap ledger --json
    """
    from livetrap.operator.ledger import fetch_ledger, render_ledger  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = fetch_ledger(load_settings())
    print(json.dumps(found, indent=2) if as_json else render_ledger(found))

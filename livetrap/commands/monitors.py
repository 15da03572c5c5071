"""Commands about monitored positions: upload, list, delete."""

import json
from pathlib import Path
from typing import Annotated

import typer

from livetrap.commands.options import DataDir, JsonOutput, use_running_stack

__all__ = ["monitors"]

monitors = typer.Typer(
    name="monitors",
    no_args_is_help=True,
    help="Positions that are measured in every image, with their proper motion.",
)


@monitors.command("upload")
def upload(
    path: Annotated[
        Path,
        typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="CSV, or VOTable"),
    ],
    *,
    stream: Annotated[str, typer.Option(metavar="STREAM", help="It need not exist yet")],
    data_dir: DataDir = None,
) -> None:
    """Measure the positions of a list in every image of a stream from now on: all, or none.

    Columns are ra and dec (ICRS, in degrees), and where there are any name,
    pm_ra_cosdec_mas_yr, pm_dec_mas_yr and epoch_yr.

    For example:

        livetrap monitors upload targets.csv --stream night1
        livetrap monitors upload gaia.vot --stream lofar-ncp
    """
    from livetrap.operator.monitors import upload_monitors  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    n_added, n_changed = upload_monitors(load_settings(), path, stream)
    print(f"{n_added} new monitors of {stream}, {n_changed} that it had")


@monitors.command("list")
def list_all(
    *,
    stream: Annotated[str | None, typer.Option(metavar="STREAM", help="Of this one only")] = None,
    data_dir: DataDir = None,
    as_json: JsonOutput = False,
) -> None:
    """List the monitors, newest first, each with the source that has its light curve.

    For example:

        livetrap monitors list --stream night1
        livetrap monitors list --json
    """
    from livetrap.operator.monitors import list_monitors  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = list_monitors(load_settings(), stream)
    if as_json:
        print(json.dumps(found, indent=2, default=str))
        return
    for row in found:
        source = row["source_id"] or "-"
        print(
            f"{row['id']:>8} {row['stream']:<20} {row['ra']:>10.5f} {row['dec']:>9.5f} "
            f"{source:>10}  {row['name']}"
        )
    if not found:
        print("no monitors")


@monitors.command("delete")
def delete(
    ids: Annotated[
        list[int],
        typer.Argument(metavar="ID", min=1, help="As `livetrap monitors list` shows them"),
    ],
    *,
    data_dir: DataDir = None,
) -> None:
    """Measure positions no longer; their light curves stay.

    For example:

        livetrap monitors delete 17 18
    """
    from livetrap.operator.monitors import delete_monitors  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    delete_monitors(load_settings(), ids)
    print(f"deleted {len(ids)} monitors")

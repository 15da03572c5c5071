"""Commands about streams: list, describe, delete, export, compare, reset, archive, replay."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from livetrap.commands.options import DataDir, JsonOutput, chosen_data_dir, use_running_stack

__all__ = ["replay", "streams"]

streams = typer.Typer(
    name="streams",
    no_args_is_help=True,
    help="List, describe, delete, export, compare and archive streams: images and their sources.",
)
Name = Annotated[
    str, typer.Argument(metavar="STREAM", help="As `livetrap streams list` shows its name")
]


@streams.command("list")
def list_all(*, data_dir: DataDir = None, as_json: JsonOutput = False) -> None:
    """List the streams: images, sources, transients, bytes of measurements, last timestep.

    For example:

        livetrap streams list
        livetrap streams list --json
    """
    from livetrap.operator.streams import list_streams, render_streams  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = list_streams(load_settings())
    print(json.dumps(found, indent=2, default=str) if as_json else render_streams(found))


@streams.command("describe")
def describe(name: Name, *, data_dir: DataDir = None, as_json: JsonOutput = False) -> None:
    """Describe one stream, with its bands.

    For example:

        livetrap streams describe lofar-ncp
    """
    from livetrap.operator.streams import describe_stream, render_stream  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = describe_stream(load_settings(), name)
    print(json.dumps(found, indent=2, default=str) if as_json else render_stream(found))


@streams.command("delete")
def delete(
    name: Name,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation")] = False,
    data_dir: DataDir = None,
) -> None:
    """Delete a stream: images, sources, light curves and transients. This cannot be undone.

    Its ledger and its alerts stay. `livetrap streams export` makes a copy first.

    For example:

        livetrap streams delete night1
        livetrap streams delete night1 --yes
    """
    from livetrap.operator.streams import delete_stream, describe_stream  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    settings = load_settings()
    found = describe_stream(settings, name)
    if not yes:
        typer.confirm(
            f"delete stream {name} with {found['n_images']} images and {found['n_sources']} "
            "sources? This cannot be undone",
            abort=True,
        )
    delete_stream(settings, name)
    print(f"deleted {name}: {found['n_images']} images, {found['n_sources']} sources")


@streams.command("export")
def export(
    name: Name,
    *,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where to write the files")],
    data_dir: DataDir = None,
) -> None:
    """Write a stream as Parquet, one file a table; needs `pip install pyarrow`.

    For example:

        livetrap streams export night1 --to night1-parquet
    """
    from livetrap.operator.stream_export import export_stream  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    for table, n_rows in export_stream(load_settings(), name, to).items():
        print(f"{table:<20}{n_rows:>12} rows")


@streams.command("compare")
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="One stream")],
    second: Annotated[str, typer.Argument(metavar="B", help="The other")],
    *,
    radius_arcsec: Annotated[
        float, typer.Option(min=0.0, max=36000.0, help="Largest distance of a pair \\[arcsec]")
    ] = 30.0,
    tolerance_s: Annotated[
        float, typer.Option(min=0.0, help="Largest difference of times of two transients \\[s]")
    ] = 0.5,
    data_dir: DataDir = None,
    as_json: JsonOutput = False,
) -> None:
    """Tell which sources and transients of two streams differ, and why.

    Two streams of the same images: under other settings, or extracted with another threshold.

    For example:

        livetrap streams compare night1 night1-replayed
        livetrap streams compare night1 night1-replayed --radius-arcsec 60 --json
    """
    from dataclasses import asdict  # noqa: PLC0415

    from livetrap.operator.stream_comparison import (  # noqa: PLC0415
        compare_streams,
        render_comparison,
    )
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = compare_streams(
        load_settings(), first, second, radius_arcsec=radius_arcsec, tolerance_s=tolerance_s
    )
    as_text = json.dumps(asdict(found), indent=2, default=str) if as_json else None
    print(as_text or render_comparison(found))


@streams.command("reset-clock")
def reset(name: Name, *, data_dir: DataDir = None) -> None:
    """Reset the clock of a stream, after images with a wrong date made all others late.

    The associator does so within seconds; the next image sets the clock.

    For example:

        livetrap streams reset-clock night1
    """
    from livetrap.operator.streams import reset_clock  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    closed_until = reset_clock(load_settings(), name)
    came = "no timestep was closed" if closed_until is None else f"it was at {closed_until}"
    print(f"the clock of {name} is being reset ({came})")


Archive = Annotated[
    Path | None,
    typer.Option(
        "--archive", metavar="FOLDER", help="Folder of the archive (default: DATA_DIR/archive)"
    ),
]


def _to_archive(folder: Path | None, data_dir: Path | None) -> Path:
    return folder or chosen_data_dir(data_dir) / "archive"


@streams.command("archive")
def archive(
    folder: Archive = None,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until Ctrl-C; else end when Kafka has no more")
    ] = False,
    every_s: Annotated[float, typer.Option(min=1.0, help="A file so often \\[s]")] = 60.0,
    keep_days: Annotated[
        float | None, typer.Option(min=0.0, help="Delete older days \\[d]; default: none")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Keep the records of detections and forced fluxes as Parquet, by stream and day.

    `livetrap replay` reads them. Needs `pip install pyarrow`.

    For example:

        livetrap streams archive --keep-days 90
        livetrap streams archive --archive /srv/archive --follow
    """
    from livetrap.stream_replay.archive import archive_records  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415
    from runtime.shutdown import limit_stop_time  # noqa: PLC0415
    from runtime.stop_flag import StopFlag  # noqa: PLC0415

    use_running_stack(data_dir)
    to = _to_archive(folder, data_dir)
    stop = StopFlag()
    limit_stop_time()
    n = archive_records(
        load_settings().kafka,
        to,
        every_s=every_s,
        follows=follow,
        keep_days=keep_days,
        is_stopped=stop.is_set,
    )
    print(f"archived {n} records to {to}")


def replay(
    name: Name,
    *,
    since: Annotated[datetime, typer.Option("--from", help="First exposure \\[UTC]")],
    until: Annotated[datetime, typer.Option("--to", help="Exposures before this \\[UTC]")],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A setting of section associate, or detection_threshold_sigma",
        ),
    ] = None,
    into: Annotated[
        str | None, typer.Option("--into", metavar="STREAM", help="Default: NAME-replay")
    ] = None,
    alerts: Annotated[
        bool, typer.Option("--alerts", help="Send what is found to the alert service")
    ] = False,
    folder: Archive = None,
    data_dir: DataDir = None,
) -> None:
    """Associate the archived records of a stream again, into a stream of its own beside it.

    `livetrap streams compare` tells what differs, and `livetrap streams delete` removes it.

    For example:

        livetrap replay night1 --from 2026-01-01 --to 2026-01-02
        livetrap replay night1 --from 2026-01-01 --to 2026-01-02 --set new_source_sigma_margin=3
    """
    from livetrap.stream_replay.replay import (  # noqa: PLC0415
        Replay,
        replay_stream,
        to_overrides,
    )

    use_running_stack(data_dir)
    done = replay_stream(
        Replay(
            archive=_to_archive(folder, data_dir),
            stream=name,
            into=into or f"{name}-replay",
            since=since.replace(tzinfo=UTC),
            until=until.replace(tzinfo=UTC),
            overrides=to_overrides(changes or []),
            has_alerts=alerts,
        )
    )
    print(
        f"{done.n_images} images in {done.n_timesteps} timesteps into {into or f'{name}-replay'}; "
        f"{done.n_answered} forced fluxes, {done.n_missing} were never measured"
    )

"""Commands about reference catalogues: load, list, delete."""

import json
from pathlib import Path
from typing import Annotated

import typer

from livetrap.commands.options import DataDir, JsonOutput, use_running_stack

__all__ = ["catalogues"]

catalogues = typer.Typer(
    name="catalogues",
    no_args_is_help=True,
    help="Load, list and delete catalogues of known sources, for matches(...) in rules.",
)


@catalogues.command("load")
def load(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, help="VOTable, FITS table or CSV")
    ],
    *,
    name: Annotated[str | None, typer.Option(help="Its name in rules (default: FILE's)")] = None,
    ra: Annotated[str | None, typer.Option(help="Column of the right ascension")] = None,
    dec: Annotated[str | None, typer.Option(help="Column of the declination")] = None,
    source_name: Annotated[str | None, typer.Option(help="Column of the names of sources")] = None,
    flux: Annotated[str | None, typer.Option(help="Column of the flux density")] = None,
    flux_unit: Annotated[
        str | None, typer.Option(help="Its unit, such as mJy, where FILE says none")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Load positions, names and fluxes of a catalogue; replaces one of the same name.

    For example:

        livetrap catalogues load nvss.vot
        livetrap catalogues load survey.csv --ra RAJ2000 --dec DEJ2000 --flux S14 --flux-unit mJy
    """
    from livetrap.operator.reference_catalogues import (  # noqa: PLC0415
        CatalogueColumns,
        load_catalogue,
        read_catalogue,
    )
    from runtime.settings import load_settings  # noqa: PLC0415

    columns = CatalogueColumns(ra, dec, source_name, flux, flux_unit)
    sources = read_catalogue(path, columns)
    use_running_stack(data_dir)
    chosen = name or path.stem
    n_sources = load_catalogue(load_settings(), chosen, sources)
    print(f"loaded {n_sources} sources; in a rule: matches('{chosen}', 15)")


@catalogues.command("list")
def list_all(*, data_dir: DataDir = None, as_json: JsonOutput = False) -> None:
    """List the catalogues.

    For example:

        livetrap catalogues list
    """
    from livetrap.operator.reference_catalogues import list_catalogues  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = list_catalogues(load_settings())
    if as_json:
        print(json.dumps(found, indent=2, default=str))
        return
    for row in found:
        print(f"{row['name']:<24}{row['n_sources']:>10} sources  {row['time_loaded']:%Y-%m-%d}")
    if not found:
        print("no catalogues")


@catalogues.command("delete")
def delete(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="As `livetrap catalogues list` shows")
    ],
    *,
    data_dir: DataDir = None,
) -> None:
    """Delete a catalogue that no rule and no subscription names.

    For example:

        livetrap catalogues delete nvss
    """
    from livetrap.operator.reference_catalogues import delete_catalogue  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    delete_catalogue(load_settings(), name)
    print(f"deleted {name}")

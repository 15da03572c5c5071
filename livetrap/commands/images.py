"""Commands about images: ingest, simulate, extract."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from livetrap.commands.options import DataDir, use_running_stack
from runtime.errors import SettingsError

__all__ = ["PASS_ALL", "extract", "ingest", "simulate"]

# `simulate` has its own options, which its own package declares.
PASS_ALL = {"allow_extra_args": True, "ignore_unknown_options": True}


class TableFormat(StrEnum):
    """Formats of a source list."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    VOTABLE = "votable"
    DS9 = "ds9"


# Options of `extract`.
DetectionThreshold = Annotated[float, typer.Option(min=1.0, help=r"Peak of a source \[local rms]")]
AnalysisThreshold = Annotated[float, typer.Option(min=0.5, help=r"Edge of an island \[local rms]")]
FalseDiscoveryRate = Annotated[
    float | None,
    typer.Option(
        "--fdr",
        metavar="ALPHA",
        min=1e-9,
        max=1.0,
        help="False discovery rate that sets the detection threshold",
    ),
]
FreeShape = Annotated[
    bool, typer.Option("--free-shape", help="Fit elliptical Gaussians instead of the beam")
]
Radius = Annotated[
    float | None, typer.Option(min=1.0, help=r"Ignore sources farther from the centre \[px]")
]
Negative = Annotated[
    bool, typer.Option("--negative", help="Search the negated image, for false detections")
]
DetectionImage = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Find sources in this image, measure them in FILE..."),
]
Format = Annotated[
    TableFormat | None,
    typer.Option(
        "--format", help="Format of the source list (default: table on a terminal, else csv)"
    ),
]
Maps = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Folder for background, rms, significance, island and residual maps"
    ),
]
Cards = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Add or replace a FITS card"),
]
Plane = Annotated[int | None, typer.Option(min=1, help="Plane of a cube, counted from 1")]
BackgroundMap = Annotated[
    Path | None, typer.Option(metavar="FILE", help="FITS image of the background of each pixel")
]
RmsMap = Annotated[
    Path | None, typer.Option(metavar="FILE", help="FITS image of the noise of each pixel")
]
Positions = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=r"CSV with columns ra and dec \[deg]: measure these instead of sources",
    ),
]
PsfMap = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=r"FITS cube of BMAJ, BMIN and BPA \[deg], north to east: the beam of each pixel",
    ),
]
BrightPositions = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=r"CSV with columns ra and dec \[deg] of bright sources, also outside the image: "
        "side lobes up to 50 beams away are flagged",
    ),
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Files measured at the same time")]


def ingest(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Files, folders or patterns")],
    *,
    stream: Annotated[
        str | None, typer.Option(help="Name of the stream (default: the TELESCOP card)")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(metavar="HZ", help="Images a second (default: as fast as possible)"),
    ] = None,
    cards: Cards = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option("--kafka", metavar="HOST:PORT", help="Publish to this Kafka")
    ] = None,
    data_dir: DataDir = None,
) -> int:
    """Publish FITS images in time order; a bad one becomes a dead letter with its reason.

    For example:

        livetrap ingest night1/ night2/
        livetrap ingest '*.fits' --stream aartfaac --rate 1
        livetrap ingest a.fits --set BMAJ=0.05 --set BMIN=0.04 --set BPA=10
    """
    from services.ingest.app import ingest_paths  # noqa: PLC0415

    if rate is not None and not rate > 0:
        raise SettingsError(f"--rate {rate}: give more than 0 images a second")
    if bootstrap_servers is None:
        use_running_stack(data_dir)
    return ingest_paths(
        [Path(path) for path in paths],
        stream=stream,
        rate_hz=rate,
        cards=dict(_split_card(card) for card in cards or []),
        bootstrap_servers=bootstrap_servers,
    )


def simulate(context: typer.Context) -> int:
    """Simulate images of a sky with transients, in files or on Kafka, and write its truth.csv.

    For example:

        livetrap simulate sky/ --images 20
        livetrap simulate --kafka
        livetrap simulate --help
    """
    from livetrap.simulator.cli import simulate as simulate_sky  # noqa: PLC0415

    use_running_stack(None)
    # An app of its own: the options are declared in the simulator's package.
    simulator = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    simulator.command(name="simulate")(simulate_sky)
    result = simulator(context.args, prog_name="livetrap simulate", standalone_mode=False)
    return result if isinstance(result, int) else 0


def extract(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="FITS images")],
    *,
    detection_threshold: DetectionThreshold = 8.0,
    analysis_threshold: AnalysisThreshold = 3.0,
    fdr: FalseDiscoveryRate = None,
    free_shape: FreeShape = False,
    cell: Annotated[int, typer.Option(min=8, help=r"Background grid cell \[px]")] = 50,
    margin: Annotated[int, typer.Option(min=0, help=r"Ignored border \[px]")] = 10,
    radius: Radius = None,
    negative: Negative = False,
    detection_image: DetectionImage = None,
    table_format: Format = None,
    output: Annotated[Path | None, typer.Option(help="File to write (default: terminal)")] = None,
    maps: Maps = None,
    cards: Cards = None,
    plane: Plane = None,
    background_map: BackgroundMap = None,
    rms_map: RmsMap = None,
    positions: Positions = None,
    psf_map: PsfMap = None,
    bright_positions: BrightPositions = None,
    jobs: Jobs = 1,
) -> int:
    """Find and measure the sources of images; needs no running service.

    On a terminal it prints a table, into a pipe or file CSV; the format ds9 is for regions in DS9
    and CARTA. Images need neither a date nor a frequency, and may be compressed (gzip, fpack).

    For example:

        livetrap extract image.fits
        livetrap extract *.fits --format votable --output sources.xml
        livetrap extract image.fits --detection-threshold 5 --maps maps/
        livetrap extract image.fits --fdr 0.01 --free-shape
        livetrap extract cube.fits.gz --plane 3 --set BMAJ=0.05 --rms-map rms.fits
        livetrap extract *.fits -j 4 --positions known.csv
        livetrap extract mosaic.fits --psf-map beams.fits --bright-positions bright.csv
    """
    from livetrap.extraction.files import extract_files  # noqa: PLC0415
    from livetrap.extraction.measure import Task  # noqa: PLC0415
    from services.extract.models import FinderParameters  # noqa: PLC0415
    from services.extract.steps.beam_map import read_beam_map  # noqa: PLC0415
    from services.extract.steps.positions import read_positions  # noqa: PLC0415

    parameters = FinderParameters(
        detection_threshold_sigma=detection_threshold,
        analysis_threshold_sigma=analysis_threshold,
        background_cell_px=cell,
        margin_px=margin,
        force_beam=not free_shape,
        radius_px=radius,
        fdr_alpha=fdr,
    )
    task = Task(
        parameters,
        cards=dict(_split_card(card) for card in cards or []),
        plane=plane,
        maps=maps,
        negative=negative,
        detection_image=detection_image,
        background_map=background_map,
        rms_map=rms_map,
        positions=read_positions(positions, name="--positions") if positions else None,
        psf_map=psf_map,
        bright_positions=(
            read_positions(bright_positions, name="--bright-positions")
            if bright_positions
            else None
        ),
    )
    if psf_map is not None:
        read_beam_map(psf_map, name="--psf-map")  # an error of it concerns no file
    return extract_files(
        files,
        task,
        table_format=table_format and table_format.value,
        output=output,
        n_workers=jobs,
    )


def _split_card(text: str) -> tuple[str, str]:
    """Split ``KEY=VALUE``."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise SettingsError(f"--set {text}: give KEY=VALUE, such as BMAJ=0.05")
    return key.strip().upper(), value

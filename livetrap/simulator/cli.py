"""The `livetrap simulate` command."""

import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from livetrap.simulator.config import Field as SkyField
from livetrap.simulator.config import SimulatorConfig, lofar_bands_hz
from livetrap.simulator.directory import simulate_to_directory
from livetrap.simulator.stream import stream_to_kafka
from runtime.errors import SettingsError, TransientError
from runtime.kafka import fetch_cluster_id
from runtime.settings import load_settings

__all__ = ["simulate"]

_DEFAULT_IMAGES = 20
_DEFAULT_TRUTH = Path("truth.csv")


# Options of the command.
_Target = Annotated[
    str | None,
    typer.Argument(
        metavar="OUT_DIR | --kafka [HOST:PORT]",
        help="Directory for images; with --kafka the broker, by default the configured one",
    ),
]
_Kafka = Annotated[
    bool, typer.Option("--kafka", help="Publish live on images-v1 instead of writing files")
]
_Images = Annotated[
    int | None,
    typer.Option(min=0, help="Timesteps, 0 is endless; default 20, endless with --kafka"),
]
_Size = Annotated[int, typer.Option(min=64, help="Side of an image \\[px]")]
_Bands = Annotated[int, typer.Option(min=1, max=32, help="Images per timestep")]
_Cadence = Annotated[
    float, typer.Option(min=1e-3, help="Exposure, and time between timesteps \\[s]")
]
_Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same sky")]
_Stream = Annotated[str, typer.Option(help="Name of the stream")]
_Field = Annotated[
    SkyField, typer.Option(help="Position of the field: RA 0h and the pole test the geometry")
]
_Faint = Annotated[
    bool, typer.Option("--faint", help="Add sources of 4-12 sigma, around the threshold")
]
_Steady = Annotated[int | None, typer.Option(min=0, help="Steady sources; default by area")]
_Variables = Annotated[int | None, typer.Option(min=0, help="Variable sources; default by area")]
_Transients = Annotated[
    int | None,
    typer.Option(
        min=0, help="Transients, per 100 timesteps if endless; default one in 8 timesteps"
    ),
]
_MinSnr = Annotated[float, typer.Option(help="Least peak S/N of a transient in its noisiest band")]
_FourAxes = Annotated[
    bool, typer.Option("--four-axes", help="Add degenerate FREQ and STOKES axes")
]
_Truth = Annotated[Path, typer.Option(help="With --kafka: file for the list of true sources")]


def simulate(
    target: _Target = None,
    *,
    kafka: _Kafka = False,
    images: _Images = None,
    size: _Size = 256,
    bands: _Bands = 4,
    cadence: _Cadence = 1.0,
    seed: _Seed = 1,
    stream: _Stream = "simulated",
    field: _Field = "ordinary",
    faint: _Faint = False,
    steady: _Steady = None,
    variables: _Variables = None,
    transients: _Transients = None,
    min_snr: _MinSnr = 12.0,
    four_axes: _FourAxes = False,
    truth: _Truth = _DEFAULT_TRUTH,
) -> None:
    """Simulate a radio sky: steady sources, variables, transients, correlated noise.

    Writes FITS files and truth.csv, or streams them to Kafka in real time.

    For example:

    livetrap simulate sky --images 50 --size 512

    livetrap simulate --kafka --cadence 1 --transients 10

    livetrap simulate --kafka 127.0.0.1:9092 --images 100 --field pole
    """
    n_images = (0 if kafka else _DEFAULT_IMAGES) if images is None else images
    try:
        config = SimulatorConfig(
            images=n_images,
            size=size,
            bands_hz=lofar_bands_hz(bands),
            cadence_s=cadence,
            seed=seed,
            stream=stream,
            field=field,
            n_steady=steady,
            n_variable=variables,
            n_transient=transients,
            min_snr=min_snr,
            faint=faint,
            four_axes=four_axes,
        )
        if kafka:
            _to_kafka(config, target, truth)
        else:
            _to_directory(config, target)
    except SettingsError as error:
        raise typer.BadParameter(str(error)) from error
    except TransientError as error:
        typer.echo(f"livetrap simulate: {error}", err=True)
        raise typer.Exit(1) from error


def _to_directory(config: SimulatorConfig, target: str | None) -> None:
    if target is None:
        raise SettingsError("name a directory for the images, or use --kafka")
    paths = simulate_to_directory(config, Path(target))
    typer.echo(f"wrote {len(paths)} images and truth.csv to {target}")


def _to_kafka(config: SimulatorConfig, target: str | None, truth_path: Path) -> None:
    settings = load_settings().kafka
    if target is not None and ":" not in target:
        raise SettingsError(f"with --kafka give HOST:PORT, not {target!r}")
    servers = target or settings.bootstrap_servers
    # Fail early, with the broker's reason, if it cannot be reached.
    fetch_cluster_id(settings.model_copy(update={"bootstrap_servers": servers}))
    stop = threading.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, lambda _number, _frame: stop.set())
    typer.echo(f"streaming to {servers}; Ctrl-C stops", file=sys.stderr)
    n_images = stream_to_kafka(
        config,
        bootstrap_servers=servers,
        truth_path=truth_path,
        stop=stop,
        topic_prefix=settings.topic_prefix,
        kafka=settings,
    )
    typer.echo(f"published {n_images} images; the list of true sources is {truth_path}")

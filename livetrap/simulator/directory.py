"""A simulated observation as files: FITS images in time order, and the true sources."""

from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from livetrap.simulator.config import SimulatorConfig
from livetrap.simulator.image import SimulatedImage, iterate_images
from livetrap.simulator.truth import format_truth, truth
from runtime.errors import SettingsError

__all__ = ["simulate_to_directory"]


def simulate_to_directory(config: SimulatorConfig, out_dir: Path) -> list[Path]:
    """Write the images and ``truth.csv``; a progress bar appears on a terminal only.

    Parameters
    ----------
    config : SimulatorConfig
        The observation; must not be endless.
    out_dir : Path
        Created if missing; files of the same name are replaced.

    Returns
    -------
    list of Path
        The images, in time order, which is the order of their names.

    Raises
    ------
    SettingsError
        If the observation is endless.
    """
    if config.images == 0:
        raise SettingsError("a directory cannot hold an endless run; ask for --images N")
    out_dir.mkdir(parents=True, exist_ok=True)
    (out_dir / "truth.csv").write_text(format_truth(config, truth(config)), encoding="utf-8")
    console = Console(stderr=True)
    total = config.images * len(config.bands_hz)
    paths: list[Path] = []
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("simulating", total=total)
        for image in iterate_images(config):
            paths.append(_write_image(config, image, out_dir))
            progress.advance(task)
    return paths


def _write_image(config: SimulatorConfig, image: SimulatedImage, out_dir: Path) -> Path:
    path = out_dir / f"{config.stream}_{image.timestep:06d}_{image.band}.fits"
    # Rename the complete file: a watcher of the directory never reads half of it.
    partial = path.with_suffix(".part")
    partial.write_bytes(image.data)
    return partial.replace(path)

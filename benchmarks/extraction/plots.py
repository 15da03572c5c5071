"""The benchmark's figures as pictures for the docs."""

import statistics
from pathlib import Path

import matplotlib as mpl

from benchmarks.extraction.score import Score
from benchmarks.extraction.workers import Timing

mpl.use("agg")
from matplotlib import pyplot as plt

__all__ = ["draw"]


def draw(
    times: dict[int, dict[str, dict[str, list[Timing]]]],
    scores: dict[str, dict[str, Score]],
    folder: Path,
) -> None:
    """Write ``extract-speed.png`` and ``extract-accuracy.png``.

    Parameters
    ----------
    times : dict
        Size [px] -> door -> finder -> times of the rounds.
    scores : dict
        Kind of field -> finder -> its score.
    folder : Path
        Where to write; made if it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _draw_speed(times, folder / "extract-speed.png")
    _draw_accuracy(scores["points"], folder / "extract-accuracy.png")


def _draw_speed(times: dict[int, dict[str, dict[str, list[Timing]]]], path: Path) -> None:
    figure, all_axes = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained", sharey=True)
    sizes = sorted(times)
    titles = {
        "pixels": "from pixels, all caches cold",
        "stream": "from pixels, image after image",
        "file": "from a FITS file to the sky, all caches cold",
    }
    for axes, (door, title) in zip(all_axes, titles.items(), strict=True):
        for name in times[sizes[0]][door]:
            cpu_ms = [
                1e3 * statistics.median(each.cpu_s for each in times[size][door][name])
                for size in sizes
            ]
            axes.loglog(sizes, cpu_ms, "o-", label=name)
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        axes.set(title=title, xlabel="side of the image [px]")
        axes.grid(alpha=0.3)
    all_axes[0].set_ylabel("CPU time of an image [ms]")
    all_axes[0].legend(frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_accuracy(scores: dict[str, Score], path: Path) -> None:
    panels = (
        ("position error / Condon's bound", lambda each: each.position_ratio, 1.0),
        ("bias of the peak flux [%]", lambda each: 100 * each.peak_bias, 0.0),
        ("pull of the integrated flux", lambda each: each.flux_pull, 1.0),
    )
    figure, all_axes = plt.subplots(1, len(panels), figsize=(10, 3.2), layout="constrained")
    names = list(scores)
    for axes, (title, value, ideal) in zip(all_axes, panels, strict=True):
        axes.barh(names, [value(scores[name]) for name in names])
        axes.axvline(ideal, color="black", linewidth=1)
        axes.set_title(title, fontsize=10)
        axes.invert_yaxis()
    figure.savefig(path, dpi=110)
    plt.close(figure)

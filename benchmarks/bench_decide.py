"""What the associator's decisions find and what they invent, beside TraP's eta and V.

Simulated light curves, with seeds, go through the decisions of `services.associate.steps` as they
are: no Kafka, no database. ``python -m benchmarks.bench_decide --full`` takes some minutes.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.look_backs import is_new_source, print_look_backs
from benchmarks.simulated_night import (
    THRESHOLD_SIGMA,
    Announced,
    Found,
    Night,
    find_announced,
    find_delays,
)
from livetrap.stack.foreground import stop_requests
from runtime.settings import AssociateSettings
from sky.statistics import eta, new_moments, update_moments

__all__ = [
    "compare_durations",
    "compare_evidence",
    "count_false_alarms",
    "find_transients",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def trap_etas(fluxes: FloatArray) -> Iterator[FloatArray]:
    """Return eta over all of history after each step: what TraP cuts."""
    moments, everything = new_moments(fluxes.shape[0]), np.arange(fluxes.shape[0])
    for step in range(fluxes.shape[1]):
        update_moments(moments, everything, fluxes[:, step], np.ones(fluxes.shape[0]))
        yield eta(moments)


def constant_sources(rng: np.random.Generator, n_sources: int, n_steps: int) -> FloatArray:
    """Return constant sources around the threshold and above, with noise."""
    level = np.where(
        np.arange(n_sources) % 2, rng.uniform(5, 12, n_sources), rng.uniform(12, 100, n_sources)
    )
    return level[:, None] + rng.normal(0, 1, (n_sources, n_steps))


def count_false_alarms(
    settings: AssociateSettings, *, seed: int, n_sources: int, n_steps: int
) -> tuple[list[Announced], FloatArray]:
    """Return announced changes of constant sources, and their largest eta from 8 points on."""
    fluxes = constant_sources(np.random.default_rng(seed), n_sources, n_steps)
    largest = np.zeros(n_sources)
    for step, value in enumerate(trap_etas(fluxes)):
        if step >= _TRAP_LEAST_POINTS:
            largest = np.maximum(largest, value)
    return find_announced(fluxes, settings), largest


# TraP leaves the least number of points to its users; below, eta of constant sources is anything.
_TRAP_LEAST_POINTS = 8


def trap_cut(largest_eta: FloatArray, n_false: int) -> float:
    """Return the cut in eta over which so many constant sources come in their lives."""
    ordered = np.sort(largest_eta)[::-1]
    return float(ordered[min(n_false, ordered.size - 1)])


def _trap_delays(fluxes: FloatArray, start: IntArray, end: IntArray, cut: float) -> Found:
    """Return when eta of all of history crosses a cut, from the start of a change to its end."""
    first: dict[int, int] = {}
    was_above = np.zeros(start.size, np.bool_)
    for step, value in enumerate(trap_etas(fluxes)):
        above = (value > cut) & (step >= _TRAP_LEAST_POINTS)
        begins = above & ~was_above & (start <= step) & (step <= end)
        for source in np.flatnonzero(begins).tolist():
            first.setdefault(source, step - int(start[source]) + 1)
        was_above = above
    return Found(start.size, list(first.values()))


def compare_durations(
    settings: AssociateSettings, durations: Sequence[int], *, seed: int, n: int, n_steps: int,
    amplitude: float, cut: float,
) -> list[tuple[int, Found, Found]]:  # fmt: skip
    """Return what is announced of flares of known sources by duration, here and by TraP's cut."""
    found = []
    for duration in durations:
        rng = np.random.default_rng((seed, duration))
        fluxes = rng.uniform(10, 30, n)[:, None] + rng.normal(0, 1, (n, n_steps))
        start = rng.integers(n_steps // 4, max(n_steps - duration, n_steps // 4 + 1), n)
        end = np.minimum(start + duration - 1, n_steps - 1)
        steps = np.arange(n_steps)
        fluxes += amplitude * ((steps >= start[:, None]) & (steps <= end[:, None]))
        ours = find_delays(find_announced(fluxes, settings), start, end)
        found.append((duration, ours, _trap_delays(fluxes, start, end, cut)))
    return found


def compare_kinds(
    settings: AssociateSettings, *, seed: int, n: int, n_steps: int, cut: float
) -> list[tuple[str, Found, Found]]:
    """Return what is announced of changes by 10 sigma of known sources, by kind of change."""
    steps = np.arange(n_steps)
    half = n_steps // 2
    shapes: dict[str, tuple[FloatArray, int, int, tuple[str, ...]]] = {
        "vanished": (np.where(steps < half, 10.0, 0.0), half, half + 10, ("vanished",)),
        "faded": (
            np.where(steps < half, 20.0, 10.0), half, half + 10, ("faded", "vanished"),
        ),
        "flare": (10 + 10.0 * ((steps >= half) & (steps < half + 3)), half, half + 2, ()),
        "second flare": (
            10 + 10.0 * ((steps >= half) & (steps < half + 3))
            + 10.0 * ((steps >= half // 2) & (steps < half // 2 + 3)), half, half + 2, (),
        ),
        "slow rise": (
            10 + 10.0 * np.clip((steps - half) / min(500, n_steps - half), 0, 1), half,
            n_steps - 1, (),
        ),
    }  # fmt: skip
    found = []
    for number, (name, (shape, first, last, kinds)) in enumerate(shapes.items()):
        rng = np.random.default_rng((seed, number))
        fluxes = shape + rng.normal(0, 1, (n, n_steps))
        start, end = np.full(n, first), np.full(n, last)
        ours = find_delays(find_announced(fluxes, settings), start, end, kinds or None)
        found.append((name, ours, _trap_delays(fluxes, start, end, cut)))
    return found


def compare_budgets(
    budgets: Sequence[float], *, seed: int, n: int, n_steps: int, amplitude: float
) -> list[tuple[float, int, Found]]:
    """Return, by the budget of false alarms, those raised and the weak flares announced."""
    found = []
    for budget in budgets:
        settings = AssociateSettings(false_alarms_per_look=budget)
        announced, _ = count_false_alarms(settings, seed=seed, n_sources=n, n_steps=n_steps)
        rng = np.random.default_rng(seed)
        fluxes = rng.uniform(10, 20, n)[:, None] + rng.normal(0, 1, (n, 60))
        fluxes[:, 50] += amplitude
        start = np.full(n, 50)
        found.append(
            (budget, len(announced), find_delays(find_announced(fluxes, settings), start, start))
        )
    return found


def find_transients(
    settings: AssociateSettings, *, seed: int, n: int, n_steps: int, least_sigma: float,
    most_sigma: float, is_at_old_peak: bool, threshold_sigma: float = THRESHOLD_SIGMA,
) -> Found:  # fmt: skip
    """Return which transients are announced in their first or second image.

    Each is of any duration from 1 to half of the steps, at any age of the run: at an empty place,
    or where a false peak over the threshold was seen once, long before, with forced photometry of
    nothing since.
    """
    rng = np.random.default_rng(seed)
    flux = rng.uniform(least_sigma, most_sigma, n)
    start = rng.integers(30, n_steps - 2, n)
    duration = np.exp(rng.uniform(0, np.log(n_steps / 2), n)).astype(np.int64)
    if not is_at_old_peak:
        return _find_at_empty_places(rng, flux, duration, settings, threshold_sigma)
    peak = (start * rng.uniform(0, 0.3, n)).astype(np.int64)
    night = Night(n, settings)
    expires = np.full(n, -1)
    for step in range(n_steps):
        is_on = (step >= start) & (step < start + duration)
        value = np.where(is_on, flux, 0.0) + rng.normal(0, 1, n)
        value = np.where(step == peak, rng.uniform(8, 9, n), value)
        is_detected = (value >= THRESHOLD_SIGMA) & (is_on | (step == peak))
        expires = np.where(is_detected, step + settings.expiration_timesteps, expires)
        looked = np.flatnonzero(is_detected | (step <= expires))
        night.look(step, looked, value[looked])
    return find_delays(night.announced, start, start + 1)


def _find_at_empty_places(
    rng: np.random.Generator,
    flux: FloatArray,
    duration: IntArray,
    settings: AssociateSettings,
    threshold_sigma: float,
) -> Found:
    """Return which are announced: the first detection looks back, and decides."""
    earlier = rng.normal(0, 1, (flux.size, settings.lookback_images + 1))
    is_waiting = np.ones(flux.size, np.bool_)
    delays, n_detected = [], 0
    for step in range(2):
        value = np.where(duration > step, flux, 0.0) + rng.normal(0, 1, flux.size)
        is_detected = is_waiting & (value >= threshold_sigma)
        is_announced = is_detected & is_new_source(value, earlier, settings)
        delays += [step + 1] * int(np.count_nonzero(is_announced))
        n_detected += int(np.count_nonzero(is_detected))
        is_waiting &= ~is_detected
        earlier = np.column_stack([earlier, value])
    return Found(flux.size, delays, n_detected)


def compare_thresholds(
    thresholds: Sequence[float], settings: AssociateSettings, *, seed: int, n: int
) -> list[tuple[float, Found]]:
    """Return, by threshold of extraction, what is told in time of transients of 8 to 10 sigma."""
    return [
        (
            threshold,
            find_transients(
                settings, seed=seed, n=n, n_steps=2000, least_sigma=8, most_sigma=10,
                is_at_old_peak=False, threshold_sigma=threshold,
            ),
        )
        for threshold in thresholds
    ]  # fmt: skip


def compare_evidence(
    flux: FloatArray, *, seed: int, peak_sigma: float, threshold_sigma: float = THRESHOLD_SIGMA
) -> tuple[float, float]:
    """Return which share of transients their first two images can show, at an empty place.

    Parameters
    ----------
    flux : (n,) float64
        Peak fluxes of transients of 1 to 1000 looks, in units of the noise.
    seed : int
        Of noise and durations.
    peak_sigma : float
        Least peak of which the other image is asked [sigma].
    threshold_sigma : float
        Of extraction [sigma].

    Returns
    -------
    detected, together : float
        By the threshold in one of the images; and where in addition the weighted mean of both
        may reach the same significance, which is the best test of a constant flux in noise.
    """
    rng = np.random.default_rng((seed, 1))
    lasts = np.exp(rng.uniform(0, np.log(1000), flux.size)) >= 2.0
    first = flux + rng.normal(0, 1, flux.size)
    second = np.where(lasts, flux, 0.0) + rng.normal(0, 1, flux.size)
    highest = np.maximum(first, second)
    mean_sigma = (first + second) / np.sqrt(2.0)
    detected = highest >= threshold_sigma
    together = detected | ((highest >= peak_sigma) & (mean_sigma >= threshold_sigma))
    return float(detected.mean()), float(together.mean())


def _print_evidence(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    populations = {
        "8 to 10 sigma, each alike": rng.uniform(8, 10, n),
        "8 to 50 sigma, each alike": rng.uniform(8, 50, n),
        "from 8 sigma as N(>S) ~ S^-3/2": 8 * rng.uniform(0, 1, n) ** (-2 / 3),
    }
    print("\nshown by one of two images; or by the mean of both, of peaks of 7 or 6 sigma")
    for name, flux in populations.items():
        one, of_seven = compare_evidence(flux, seed=seed, peak_sigma=7.0)
        _, of_six = compare_evidence(flux, seed=seed, peak_sigma=6.0)
        print(f"  {name:31} {one:7.2%} {of_seven:7.2%} {of_six:7.2%}")


def count_false_peaks(
    settings: AssociateSettings, *, seed: int, n_steps: int, n_per_step: int
) -> Counter[str]:
    """Return what is announced of false peaks, each seen once and measured as noise later."""
    rng = np.random.default_rng(seed)
    n_looks = settings.expiration_timesteps + 1
    fluxes = rng.normal(0, 1, (n_steps * n_per_step, n_looks))
    fluxes[:, 0] = rng.uniform(8, 9, fluxes.shape[0])
    return Counter(each.kind for each in find_announced(fluxes, settings))


def _by_points(announced: Sequence[Announced]) -> Counter[int]:
    """Return the false alarms by the number of points so far."""
    return Counter(each.step + 1 for each in announced)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true", help="the sizes of the figures in docs")
    parser.add_argument("--seed", type=int, default=15)
    options = parser.parse_args()
    settings, seed = AssociateSettings(), options.seed
    n_steps, n = (2000, 300) if options.full else (600, 60)
    print(f"seed {seed}, {n_steps} steps, {n} sources; windows {settings.trigger_windows}")

    n_constant, n_looks = (1000, 1000) if options.full else (300, 300)
    announced, largest = count_false_alarms(
        settings, seed=seed, n_sources=n_constant, n_steps=n_looks
    )
    print(f"\nfalse alarms on {n_constant * n_looks} looks at constant sources: {len(announced)}"
          f" (by test: {dict(Counter(each.trigger for each in announced))})")  # fmt: skip
    young, _ = count_false_alarms(
        settings, seed=seed + 1, n_sources=111_112 if options.full else 5000, n_steps=10
    )
    points = _by_points(young)
    print(
        "of sources of n points, by n:", {n_points: points[n_points] for n_points in range(2, 11)}
    )
    peaks = count_false_peaks(settings, seed=seed, n_steps=n_steps, n_per_step=20)
    print(f"of {20 * n_steps} false peaks seen once: {dict(peaks)}")
    print_look_backs(settings, seed=seed, is_full=options.full)
    cut = trap_cut(largest, len(announced))
    print(f"TraP's eta with as many false alarms: {cut:.2f} (from {_TRAP_LEAST_POINTS} points)")

    print("\ntransients announced in their first or second image")
    for low, high in ((8, 10), (10, 12), (12, 50), (8, 50)):
        for is_at_old_peak in (False, True):
            found = find_transients(
                settings, seed=seed, n=5 * n, n_steps=n_steps, least_sigma=low, most_sigma=high,
                is_at_old_peak=is_at_old_peak,
            )  # fmt: skip
            place = "an old false peak" if is_at_old_peak else "an empty place"
            of_detected = (
                f"; of the {found.n_detected / found.n:.1%} that the threshold detects "
                f"{len(found.delays) / found.n_detected:.1%}"
                if found.n_detected
                else ""
            )
            print(f"  {low:3d}-{high:2d} sigma at {place:18} {found.share:7.1%}{of_detected}")

    print("\ntransients of 8 to 10 sigma at an empty place, by the threshold of extraction")
    for threshold, found in compare_thresholds(
        (8.0, 7.5, 7.25, 7.0, 6.5), settings, seed=seed, n=1000 * n
    ):
        print(
            f"  {threshold:5.2f} sigma detects {found.n_detected / found.n:6.1%}, "
            f"announced {found.share:6.1%}"
        )

    _print_evidence(seed, 5000 * n)

    print("\nflares by 10 sigma of known sources: announced in time (share, median, 90 % [looks])")
    durations = [1, 3, 10, 30, 100, 300, 1000]
    for duration, ours, trap in compare_durations(
        settings, [each for each in durations if each <= n_steps // 2], seed=seed, n=n,
        n_steps=n_steps, amplitude=10.0, cut=cut,
    ):  # fmt: skip
        print(f"  {duration:5d} looks   LiveTrap {ours}   TraP {trap}")

    print(
        "\nflares by 6 sigma of one look, by false_alarms_per_look p: p, announced, false alarms"
    )
    for budget, n_false, found in compare_budgets(
        (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8), seed=seed, n=n_constant // 2, n_steps=n_looks // 2,
        amplitude=6.0,
    ):  # fmt: skip
        print(
            f"  {budget:7.0e} {found.share:7.1%} {n_false:6d} of {n_constant * n_looks // 4} looks"
        )

    print("\nchanges by 10 sigma: announced (share, median, 90 % [looks])")
    for name, ours, trap in compare_kinds(settings, seed=seed, n=n, n_steps=n_steps, cut=cut):
        print(f"  {name:12}  LiveTrap {ours}   TraP {trap}")


if __name__ == "__main__":
    with stop_requests():
        main()

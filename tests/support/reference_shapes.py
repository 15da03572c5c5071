"""Plain Python versions of the kernels that settle peaks and fit free shapes, source by source."""

from dataclasses import dataclass

import numpy as np

from services.extract.kernels.beams import fit_beside
from services.extract.kernels.free_gaussian import fit_gaussian


def settled(
    pixels: np.ndarray,
    places: tuple[np.ndarray, np.ndarray],
    beam: tuple[float, float, float],
    threshold: float,
    largest_exponent: float,
) -> tuple[list[bool], list[tuple[int, int]]]:
    """Return which peaks (y, x) remain, and their pixels; background 0, the same beam for all."""
    y, x = (each.tolist() for each in places)
    height = [float(pixels[place]) for place in zip(y, x, strict=True)]
    keep, at = [True] * len(y), list(zip(y, x, strict=True))
    a, b, c = beam

    def exponent(dx: float, dy: float) -> float:
        return a * dx * dx + 2 * b * dx * dy + c * dy * dy

    def higher(peak: int) -> list[int]:
        return [
            other
            for other in range(len(y))
            if (height[other], -other) > (height[peak], -peak)
            and exponent(x[other] - x[peak], y[other] - y[peak]) <= largest_exponent
        ]

    models = [
        fit_beside(pixels, 0.0, (height[n], float(x[n]), float(y[n])), beam, np.empty((0, 6)))
        for n in range(len(y))
    ]
    for peak in sorted(range(len(y)), key=lambda n: (-height[n], n)):
        others = [other for other in higher(peak) if keep[other]]
        if not others:
            continue
        total = sum(
            models[n][0] * np.exp(-exponent(x[peak] - models[n][1], y[peak] - models[n][2]))
            for n in others
        )
        keep[peak] = height[peak] - total >= 0.6 * threshold + 0.1 * total
        if not keep[peak]:
            continue
        subtracted = np.array([[*models[n], *beam] for n in others])
        start = height[peak] - total, float(x[peak]), float(y[peak])
        models[peak] = fit_beside(pixels, 0.0, start, beam, subtracted)
        amplitude, centre_x, centre_y = models[peak]
        dx, dy = centre_x - x[peak], centre_y - y[peak]
        if amplitude <= 0 or exponent(dx, dy) >= largest_exponent or max(abs(dx), abs(dy)) < 1.5:
            continue
        pixel = round(centre_y), round(centre_x)
        if all(0 <= n < size for n, size in zip(pixel, pixels.shape, strict=True)):
            at[peak] = pixel if np.isfinite(pixels[pixel]) else at[peak]
    return keep, at


@dataclass
class Shapes:
    """Models (n, 6), and marks of each source."""

    models: np.ndarray
    is_free: np.ndarray
    is_extended: np.ndarray
    is_part: np.ndarray
    is_failed: np.ndarray


class ShapeFitter:
    """Fits free shapes, the brightest source first; background 0 and rms 1."""

    def __init__(
        self,
        pixels: np.ndarray,
        places: tuple[np.ndarray, np.ndarray],
        island: np.ndarray,
        beams: np.ndarray,
        is_candidate: np.ndarray,
        threshold: float,
    ) -> None:
        self.pixels, self.island, self.beams = pixels, island, beams
        self.y, self.x = places
        self.is_candidate, self.threshold = is_candidate, threshold
        marks = np.zeros((4, island.size), np.bool_)
        self.shapes = Shapes(beams.copy(), *marks)

    def fit(self, *, only_extended: bool) -> Shapes:
        """Return the shapes."""
        for source in np.argsort(-self.beams[:, 0], kind="stable"):
            is_wanted = self.is_candidate[source] or not only_extended
            if is_wanted and not self.shapes.is_part[source]:
                self._fit_source(int(source), only_extended=only_extended)
        return self.shapes

    def _fit_source(self, source: int, *, only_extended: bool) -> None:
        shapes = self.shapes
        is_other = (self.island == self.island[source]) & ~shapes.is_part
        is_other[source] = False
        is_certain = is_other & (~self.is_candidate | shapes.is_free)
        model = self._fit_with(source, is_certain)
        if model is None:
            shapes.is_failed[source] = not only_extended
            return
        is_extended = self._is_extended(source, model)
        if is_extended and is_other.any():
            is_part = is_other & self._are_within(model)
            is_rest = is_other & ~is_part
            if is_rest.sum() > is_certain.sum():
                model = self._fit_with(source, is_rest)
                if model is None or not self._is_extended(source, model):
                    return
                is_part = is_other & self._are_within(model)
            shapes.is_part |= is_part
        if is_extended or not only_extended:
            shapes.models[source] = model
            shapes.is_free[source], shapes.is_extended[source] = True, is_extended

    def _fit_with(self, source: int, is_subtracted: np.ndarray) -> np.ndarray | None:
        for scale in (1.0, 2.0, 4.0) if self.is_candidate[source] else (1.0,):
            model = self.shapes.models[source].copy()
            model[3:] /= scale**2
            subtracted = self.shapes.models[is_subtracted]
            y, x = int(self.y[source]), int(self.x[source])
            if fit_gaussian(self.pixels, y, x, 0.0, subtracted, 50, model):
                return model
        return None

    def _is_extended(self, source: int, model: np.ndarray) -> bool:
        inverse_areas = [m[3] * m[5] - m[4] ** 2 for m in (self.beams[source], model)]
        growth = np.sqrt(inverse_areas[0] / inverse_areas[1])
        return bool(growth > max(1.1, 1 + 3 * growth / model[0]))

    def _are_within(self, model: np.ndarray) -> np.ndarray:
        dx, dy = self.x - model[1], self.y - model[2]
        shape = np.exp(-(model[3] * dx**2 + 2 * model[4] * dx * dy + model[5] * dy**2))
        rest = self.pixels[self.y, self.x] - model[0] * shape
        return np.asarray(rest < self.threshold + 0.1 * model[0] * shape)

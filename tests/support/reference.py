"""Plain NumPy versions of the kernels: slow, short, and easy to believe."""

import numpy as np
from scipy import ndimage

CLIP_SIGMA = 2.5
CLIP_STD_RATIO = 0.9545988
CLIP_MEDIAN_SLOPE = 2.475498


def background_cell(values: np.ndarray, min_pixels: int) -> tuple[float, float]:
    """Return the mode and the standard deviation of one cell, clipped and corrected."""
    kept = values[np.isfinite(values)].astype(np.float64)
    spread = np.nan
    for iteration in range(50):
        if kept.size < min_pixels:
            return np.nan, np.nan
        centre = kept.mean()
        spread = kept.std() / (CLIP_STD_RATIO if iteration else 1.0)
        inside = values[np.isfinite(values)].astype(np.float64)
        inside = inside[np.abs(inside - centre) < CLIP_SIGMA * spread]
        if inside.size == kept.size:
            # Same rule as the kernel: an unchanged count ends the clipping, corrected.
            mean, spread = inside.mean(), inside.std() / CLIP_STD_RATIO
            median = mean + (0.5 - (inside < mean).mean()) * spread * CLIP_MEDIAN_SLOPE
            skew = median - mean
            return mean + (2.5 if abs(skew) <= 0.3 * spread else 1.0) * skew, spread
        kept = inside
    return centre, spread


def grid_map(grid: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the bilinear map of a grid whose cells divide the image into equal parts."""
    rows, columns = shape
    v = np.clip((np.arange(rows) + 0.5) * grid.shape[0] / rows - 0.5, 0, grid.shape[0] - 1)
    u = np.clip((np.arange(columns) + 0.5) * grid.shape[1] / columns - 0.5, 0, grid.shape[1] - 1)
    return ndimage.map_coordinates(grid, np.meshgrid(v, u, indexing="ij"), order=1)


def peaks(
    significance: np.ndarray, detection: float, analysis: float, margin: int, *, diagonal: bool
) -> list[tuple[int, int, int]]:
    """Return (y, x, pixels of the island) of each local maximum above the threshold."""
    filled = np.where(np.isfinite(significance), significance, -np.inf)
    touching = ndimage.generate_binary_structure(2, 2 if diagonal else 1)
    labels, _ = ndimage.label(filled > analysis, structure=touching)
    sizes = np.bincount(labels.ravel())
    highest = ndimage.maximum_filter(filled, size=3, mode="constant", cval=-np.inf)
    found = []
    for y, x in np.argwhere((filled == highest) & (filled >= detection)):
        inside_y = margin <= y < filled.shape[0] - margin
        if inside_y and margin <= x < filled.shape[1] - margin:
            found.append((int(y), int(x), int(sizes[labels[y, x]])))
    return found


def significance(pixels: np.ndarray, mean: np.ndarray, rms: np.ndarray) -> np.ndarray:
    """Return (pixel - background) / rms of a whole image."""
    return (pixels - grid_map(mean, pixels.shape)) / grid_map(rms, pixels.shape)


def beam(shape: tuple[int, int], x: float, y: float, quadratic: tuple[float, ...]) -> np.ndarray:
    """Return a Gaussian of peak 1 on a whole image."""
    a, b, c = quadratic
    dy, dx = np.mgrid[: shape[0], : shape[1]].astype(float)
    dy, dx = dy - y, dx - x
    return np.exp(-(a * dx**2 + 2 * b * dx * dy + c * dy**2))


def beam_residuals(
    pixels: np.ndarray, fits: np.ndarray, source: int, quadratic: tuple[float, ...], cutoff: float
) -> tuple[float, int, float, float]:
    """Return squared residuals, pixels, growth and beam sum of a source among all others."""
    others = sum(
        fits[other, 0] * beam(pixels.shape, fits[other, 1], fits[other, 2], quadratic)
        for other in range(len(fits))
        if other != source
    )
    shape = beam(pixels.shape, fits[source, 1], fits[source, 2], quadratic)
    inside = (shape >= cutoff) & np.isfinite(pixels)
    seen = (pixels - others)[inside]
    residual = seen - fits[source, 0] * shape[inside]
    expected = shape[inside].sum()
    return (
        float((residual**2).sum()),
        int(inside.sum()),
        float(seen.sum() / (fits[source, 0] * expected)),
        float(expected),
    )


def free_gaussian(pixels: np.ndarray, near: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the least-squares Gaussian of the pixels above half of the maximum of `near`."""
    dy, dx = np.mgrid[: pixels.shape[0], : pixels.shape[1]].astype(float)

    def value(parameters: np.ndarray) -> np.ndarray:
        return parameters[0] * beam(pixels.shape, parameters[1], parameters[2], parameters[3:])

    used = value(near) >= 0.5 * near[0]
    used |= (abs(dy - round(near[2])) <= 1) & (abs(dx - round(near[1])) <= 1)
    used &= np.isfinite(pixels)
    seen = pixels - value(other)
    from scipy import optimize  # half of the time that all imports of this module take

    return optimize.least_squares(lambda trial: (seen - value(trial))[used], near).x


def weighted_beam(
    pixels: np.ndarray, peak: tuple[int, int], quadratic: tuple[float, ...], weights: np.ndarray
) -> np.ndarray:
    """Return peak, x and y of the beam that fits 3 x 3 pixels with the inverse covariance best."""
    y, x = peak
    seen = pixels[y - 1 : y + 2, x - 1 : x + 2].astype(float).ravel()
    root = np.linalg.cholesky(weights).T

    def residual(trial: np.ndarray) -> np.ndarray:
        shape = beam(pixels.shape, trial[1], trial[2], quadratic)
        return root @ (seen - trial[0] * shape[y - 1 : y + 2, x - 1 : x + 2].ravel())

    from scipy import optimize

    return optimize.least_squares(residual, [seen[4], x, y], xtol=1e-10, ftol=1e-12).x


def peak_bias(
    pixels: np.ndarray,
    place: tuple[float, float],
    quadratic: tuple[float, float, float],
    weights: np.ndarray,
) -> float:
    """Return the bias of the peak of a weighted fit, to second order; the beam correlates noise.

    The parameters are peak (1), x and y; first and second derivatives of the model by them.
    """
    a, b, c = quadratic
    curvature = np.array([[a, b], [b, c]])
    between = pixels[:, None] - pixels
    covariance = np.exp(-np.einsum("nmi,ij,nmj->nm", between, curvature, between))
    offsets = pixels - np.array(place)
    shape = np.exp(-np.einsum("ni,ij,nj->n", offsets, curvature, offsets))
    slopes = 2 * offsets @ curvature
    first = shape[:, None] * np.concatenate([np.ones((len(pixels), 1)), slopes], axis=1)
    second = np.zeros((3, 3, len(pixels)))
    second[0, 1:] = second[1:, 0] = (shape[:, None] * slopes).T
    for i, j in np.ndindex(2, 2):
        second[i + 1, j + 1] = shape * (slopes[:, i] * slopes[:, j] - 2 * curvature[i, j])
    inverse = np.linalg.inv(first.T @ weights @ first)
    gain = inverse @ first.T @ weights
    errors = gain @ covariance @ gain.T
    left = covariance @ gain.T - first @ errors
    moved = np.einsum("kjn,nm,mk->j", second, weights, left)
    bent = first.T @ weights @ np.einsum("kl,kln->n", errors, second) / 2
    return float((inverse @ (moved - bent))[0])


def is_ripple(pixels: np.ndarray, peaks: list[tuple[int, int]], number: int, depth: float) -> bool:
    """Return whether a higher peak is reached without falling by `depth` on the straight way."""
    y, x = peaks[number]
    for other, (other_y, other_x) in enumerate(peaks):
        higher = pixels[other_y, other_x] > pixels[y, x] or (
            pixels[other_y, other_x] == pixels[y, x] and other < number
        )
        if other == number or not higher:
            continue
        n = max(abs(other_y - y), abs(other_x - x))
        way = [
            pixels[
                y + int(np.floor(step * (other_y - y) / n + 0.5)),
                x + int(np.floor(step * (other_x - x) / n + 0.5)),
            ]
            for step in range(1, n)
        ]
        if pixels[y, x] - np.nanmin([pixels[y, x], *way]) < depth:
            return True
    return False


def forced_fluxes(
    pixels: np.ndarray, x: np.ndarray, y: np.ndarray, rms: float, quadratic: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return fluxes and errors of sources measured together, on an image without background."""
    a, b, c = quadratic

    def covariance(dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
        return np.exp(-(a * dx**2 + 2 * b * dx * dy + c * dy**2))

    steepest = np.linalg.eigvalsh([[a, b], [b, c]])[1]
    stride = max(1, int(np.sqrt(4 * np.log(2) / steepest) / 4))
    rows, columns, weights, values = [], [], [], []
    for x0, y0 in zip(x, y, strict=True):
        row, column = np.meshgrid(np.arange(-2, 3), np.arange(-2, 3), indexing="ij")
        row = (round(y0) + stride * row).ravel()
        column = (round(x0) + stride * column).ravel()
        inside = (row >= 0) & (row < pixels.shape[0]) & (column >= 0) & (column < pixels.shape[1])
        row, column = row[inside], column[inside]
        valid = np.isfinite(pixels[row, column])
        row, column = row[valid], column[valid]
        noise = covariance(column[:, None] - column, row[:, None] - row) + 1e-3 * np.eye(row.size)
        signal = covariance(column - x0, row - y0)
        weight = np.linalg.solve(noise, signal)
        weight /= weight @ signal
        rows.append(row)
        columns.append(column)
        weights.append(weight)
        values.append(weight @ pixels[row, column])
    mixing = np.array(
        [
            [weights[i] @ covariance(columns[i] - x0, rows[i] - y0)
             for x0, y0 in zip(x, y, strict=True)]
            for i in range(len(x))
        ]
    )  # fmt: skip
    shared = covariance(x[:, None] - x, y[:, None] - y)
    for i in range(len(x)):
        own = covariance(columns[i][:, None] - columns[i], rows[i][:, None] - rows[i])
        shared[i, i] = weights[i] @ (own + 1e-3 * np.eye(len(weights[i]))) @ weights[i]
    inverse = np.linalg.inv(mixing)
    return inverse @ np.array(values), rms * np.sqrt(np.diag(inverse @ shared @ inverse.T))


def residual_peak(
    pixels: np.ndarray,
    source: int,
    models: np.ndarray,
    *,
    exponents: tuple[float, float],
    least: float,
    fractions: tuple[float, float],
) -> tuple[float, int, int]:
    """Return the highest residual beside a source and its x, y; all other models subtracted."""
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    forms = [
        a * (x - x0) ** 2 + 2 * b * (x - x0) * (y - y0) + c * (y - y0) ** 2
        for _, x0, y0, a, b, c in models
    ]
    residual = pixels - sum(
        model[0] * np.exp(-form) for model, form in zip(models, forms, strict=True)
    )
    own = forms[source]
    limit = least + fractions[0] * models[source, 0] * np.exp(-own / 2)
    usable = (own >= exponents[0]) & (own <= exponents[1]) & (residual > limit) & (pixels > least)
    if not usable.any():
        return 0.0, 0, 0
    at_y, at_x = np.unravel_index(np.argmax(np.where(usable, residual, -np.inf)), pixels.shape)
    _, x0, y0, *_ = models[source]
    padded = np.pad(residual, 60, constant_values=np.nan)
    row, column = 60 + round(2 * y0 - at_y), 60 + round(2 * x0 - at_x)
    opposite = padded[row - 1 : row + 2, column - 1 : column + 2]
    if not np.max(opposite) < fractions[1] * residual[at_y, at_x]:
        return 0.0, 0, 0
    return float(residual[at_y, at_x]), int(at_x), int(at_y)


def beam_alone(
    pixels: np.ndarray, y: int, x: int, quadratic: tuple[float, float, float]
) -> np.ndarray:
    """Return amplitude, x, y of the beam that fits above its half maximum around a peak."""
    a, b, c = quadratic
    rows, columns = np.mgrid[: pixels.shape[0], : pixels.shape[1]].astype(float)
    # Half the box around the half maximum, and a pixel at least.
    half_x, half_y = np.maximum(1, np.sqrt(np.log(2) * np.array([c, a]) / (a * c - b * b)))
    model = np.array([pixels[y, x], x, y], float)
    for _ in range(20):
        dx, dy = columns - model[1], rows - model[2]
        beam = np.exp(-(a * dx * dx + 2 * b * dx * dy + c * dy * dy))
        used = np.isfinite(pixels) & (np.abs(dx) <= half_x) & (np.abs(dy) <= half_y)
        used &= (beam >= 0.5) | (dx * dx + dy * dy < 2)
        slopes = np.stack(
            [
                beam,
                2 * model[0] * beam * (a * dx + b * dy),
                2 * model[0] * beam * (b * dx + c * dy),
            ],
            axis=-1,
        )
        residual = pixels - model[0] * beam
        step = np.linalg.lstsq(slopes[used], residual[used], rcond=None)[0]
        length = np.sqrt(a * step[1] ** 2 + 2 * b * step[1] * step[2] + c * step[2] ** 2)
        model += step * min(1.0, 0.5 / max(length, 1e-3))
        if length < 1e-3:
            break
    return model


def fit_surface(terms: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, float]:
    """Return robust least squares and scatter as `services.extract.kernels.noise_surface` does."""
    weights, scatter = np.ones(values.size), 0.0
    for _ in range(2):
        coefficients = _weighted_fit(terms, values, weights)
        off = np.abs(values - terms @ coefficients)
        scatter = 1.4826 * float(np.median(off))
        weights = np.minimum(1.0, 1.5 * max(scatter, 0.05) / np.maximum(off, 1e-9))
    return _weighted_fit(terms, values, weights), scatter


def _weighted_fit(terms: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    root = np.sqrt(weights)
    return np.asarray(np.linalg.lstsq(terms * root[:, None], values * root, rcond=None)[0])

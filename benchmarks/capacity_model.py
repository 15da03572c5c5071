"""What a stream of images takes of a cluster, from the measured costs of an image."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["INSTRUMENTS", "Cost", "Instrument", "Measured", "Need", "find_need", "fit_costs"]

# A pod that is busier than this has no time left for what comes at once.
_BUSY_FRACTION = 0.6
_BYTES_PER_PX = 4
_WANTED_BUFFER_S = 900.0


@dataclass(frozen=True, slots=True)
class Measured:
    """Costs at one size of image.

    Parameters
    ----------
    size_px : int
        Side of an image [px].
    n_images : int
        Images of the measurement [-].
    cost_s : mapping
        CPU time of an image by process, beyond that of an idle stack [s].
    idle_cores : mapping
        CPU of an idle process by name [core].
    """

    size_px: int
    n_images: int
    cost_s: Mapping[str, float]
    idle_cores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU of one process, linear in the bytes of an image.

    Parameters
    ----------
    fixed_s : float
        Of an image of whatever size [s].
    per_mb_s : float
        Of each 10^6 bytes [s/MB].
    idle_cores : float
        Without any image [core].
    """

    fixed_s: float
    per_mb_s: float
    idle_cores: float

    def cores(self, *, images_per_s: float, image_mb: float) -> float:
        """Return the CPU that a stream takes [core]."""
        per_image_s = max(self.fixed_s + self.per_mb_s * image_mb, 0.0)
        return self.idle_cores + images_per_s * per_image_s


@dataclass(frozen=True, slots=True)
class Instrument:
    """What an instrument sends: `n_bands` images of `size_px` every `cadence_s` [s]."""

    name: str
    size_px: int
    n_bands: int
    cadence_s: float

    @property
    def images_per_s(self) -> float:
        """Rate of all bands [1/s]."""
        return self.n_bands / self.cadence_s

    @property
    def image_mb(self) -> float:
        """Size of an image of 32-bit pixels [MB]."""
        return _BYTES_PER_PX * self.size_px**2 / 1e6


INSTRUMENTS = (
    Instrument("four bands of 1024², one timestep a second", 1024, 4, 1.0),
    Instrument("four bands of 2300², one timestep a second", 2300, 4, 1.0),
    Instrument("AARTFAAC-12: 16 subbands of 2300², one timestep a second", 2300, 16, 1.0),
)


@dataclass(frozen=True, slots=True)
class Need:
    """What an instrument takes.

    Parameters
    ----------
    mb_per_s : float
        Images [MB/s].
    cores : mapping
        CPU by process, Kafka's of one copy on one broker [core].
    n_extract_pods : int
        Extractors of one core that are busy at most 60 % of the time [-].
    broker_in_gbit_s, broker_out_gbit_s : float
        Network of each broker [Gbit/s].
    buffer_s : float
        Images that the default retention holds [s].
    buffer_gb : float
        A quarter of an hour of images, one copy [GB].
    retention_bytes : int
        A quarter of an hour on the fullest partition [byte].
    """

    mb_per_s: float
    cores: Mapping[str, float]
    n_extract_pods: int
    broker_in_gbit_s: float
    broker_out_gbit_s: float
    buffer_s: float
    buffer_gb: float
    retention_bytes: int


def fit_costs(small: Measured, large: Measured) -> dict[str, Cost]:
    """Return the cost of each process from measurements at two sizes.

    No process gains from larger images: where the line falls, the cost is the mean.
    """
    mb = [_BYTES_PER_PX * each.size_px**2 / 1e6 for each in (small, large)]
    costs = {}
    for name in small.cost_s:
        cost_s = [each.cost_s[name] for each in (small, large)]
        per_mb_s = max((cost_s[1] - cost_s[0]) / (mb[1] - mb[0]), 0.0)
        # A line that rises goes through both, a level one between them.
        fixed_s = sum(cost_s) / 2 - per_mb_s * sum(mb) / 2
        idle_cores = (small.idle_cores[name] + large.idle_cores[name]) / 2
        costs[name] = Cost(fixed_s, per_mb_s, idle_cores)
    return costs


def find_need(
    instrument: Instrument,
    costs: Mapping[str, Cost],
    *,
    keys: Sequence[int],
    retention_bytes: int,
    n_copies: int = 3,
    n_brokers: int = 3,
) -> Need:
    """Return what an instrument takes.

    Parameters
    ----------
    instrument : Instrument
        What comes.
    costs : mapping
        Cost of each process by name.
    keys : sequence of int
        Partition of each band.
    retention_bytes : int
        What a partition keeps [byte].
    n_copies, n_brokers : int
        Of the topic of images [-].
    """
    rate, mb = instrument.images_per_s, instrument.image_mb
    mb_per_s = rate * mb
    cores = {name: each.cores(images_per_s=rate, image_mb=mb) for name, each in costs.items()}
    # The partition with the most bands forgets first.
    fullest_mb_s = mb_per_s * max(keys.count(each) for each in keys) / len(keys)
    gbit_s = 8 * mb_per_s / 1000
    return Need(
        mb_per_s=mb_per_s,
        cores=cores,
        n_extract_pods=math.ceil(cores["extract"] / _BUSY_FRACTION),
        broker_in_gbit_s=gbit_s * n_copies / n_brokers,
        # To the extractors, and to the brokers with the other copies.
        broker_out_gbit_s=gbit_s * n_copies / n_brokers,
        buffer_s=retention_bytes / (1e6 * fullest_mb_s),
        buffer_gb=mb_per_s * _WANTED_BUFFER_S / 1000,
        retention_bytes=math.ceil(1e6 * fullest_mb_s * _WANTED_BUFFER_S),
    )

"""How much the tests with mutants try: few in `make test`, as many as asked for in `make fuzz`."""

import os

__all__ = ["SEED", "n_mutants"]

# `make fuzz` sets both.
SEED = int(os.environ.get("FUZZ_SEED", "20261126"))
_N_MUTANTS = int(os.environ.get("FUZZ_MUTANTS", "300"))

# Images come from outside, so they have the largest part; records of the associator are dear.
_PERCENT = {
    "images": 45,
    "image_detections": 20,
    "source_event": 12,
    "forced_request": 8,
    "forced_measurements": 8,
    "voevent": 7,
}


def n_mutants(kind: str) -> int:
    """Return how many mutants of a kind are tried, of all that are asked for."""
    return _N_MUTANTS * _PERCENT[kind] // 100

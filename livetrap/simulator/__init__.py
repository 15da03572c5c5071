"""A synthetic radio sky: images with known sources, on disk or on Kafka."""

from livetrap.simulator.config import SimulatorConfig, lofar_bands_hz
from livetrap.simulator.directory import simulate_to_directory
from livetrap.simulator.image import SimulatedImage, iterate_images
from livetrap.simulator.stream import stream_to_kafka
from livetrap.simulator.truth import TruthRow, truth

__all__ = [
    "SimulatedImage",
    "SimulatorConfig",
    "TruthRow",
    "iterate_images",
    "lofar_bands_hz",
    "simulate_to_directory",
    "stream_to_kafka",
    "truth",
]

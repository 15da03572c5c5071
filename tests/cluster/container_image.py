"""The image that `make image` has built, and containers of it that may do next to nothing."""

import subprocess
from pathlib import Path

import pytest

from tests.cluster.programs import need

__all__ = ["IMAGE", "make_archive", "need_image", "run_in_container"]

IMAGE = "localhost/livetrap:0.1.0"  # that of the laptop overlay
# As little as pods may; runc also where groups of both versions are mounted.
_RUN = (
    "--runtime", "runc", "run", "--rm", "--read-only", "--read-only-tmpfs=false",
    "--tmpfs", "/tmp",  # noqa: S108
    "--cap-drop", "all", "--security-opt", "no-new-privileges", "--network", "host",
    "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024",
)  # fmt: skip


def need_image() -> str:
    """Return the name of the image; skip where it is not built."""
    inspect = [need("buildah"), "inspect", IMAGE]
    if subprocess.run(inspect, capture_output=True, check=False).returncode:
        pytest.skip(f"no {IMAGE} here: build it with `make image IMAGE={IMAGE}`")
    return IMAGE


def make_archive(folder: Path, image: str) -> Path:
    """Write an image as a compressed OCI archive; return where."""
    path = folder / f"{image.rsplit('/', 1)[1].replace(':', '-')}.tar"
    command = ["buildah", "push", "-q", image, f"oci-archive:{path}:{image}"]
    subprocess.run(command, check=True, capture_output=True)
    return path


def run_in_container(*arguments: str, options: tuple[str, ...] = ()) -> list[str]:
    """Return the command that runs the image with arguments."""
    return [need("podman"), *_RUN, *options, need_image(), *arguments]

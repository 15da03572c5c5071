"""What the image leaves out is missed by no service: an image is measured without it."""

import importlib.util
import subprocess
import sys
from pathlib import Path

from tests.support.mutants import good_image

ROOT = Path(__file__).parents[2]
# Imports all modules of the wheel as if the packages named in the arguments were not there, and
# measures the image that comes on standard input.
PROGRAM = """
import importlib, pkgutil, sys
missing = set(sys.argv[1:])

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in missing:
            raise ModuleNotFoundError(f"{name} is not in the image", name=name)

sys.meta_path.insert(0, Missing())
for package in ("sky", "schemas", "rules", "runtime", "services", "api", "livetrap"):
    found = importlib.import_module(package)
    for module in pkgutil.walk_packages(found.__path__, package + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
from services.extract.models import FinderParameters
from services.extract.steps.catalogue import extract_sources
from services.extract.steps.image import open_image
image = open_image(sys.stdin.buffer.read(), {}, max_bytes=1 << 26)
print(len(extract_sources(image, FinderParameters()).sources))
"""


def unused() -> tuple[str, ...]:
    spec = importlib.util.spec_from_file_location("trim", ROOT / "deploy/image/trim.py")
    assert spec is not None
    assert spec.loader is not None
    trim = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(trim)
    return tuple(trim.UNUSED)


def run(*missing: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *missing],
        input=good_image(), capture_output=True, cwd=ROOT, check=False,
    )  # fmt: skip


def test_an_image_is_measured_without_what_is_left_out() -> None:
    done = run(*(name.replace("/", ".") for name in unused()))
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert int(done.stdout) == 3


def test_a_package_that_is_needed_is_missed() -> None:
    done = run("scipy.spatial")
    assert b"scipy.spatial is not in the image" in done.stderr

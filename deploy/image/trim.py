"""Take out of an installation what no service needs, and list what is left.

``python deploy/image/trim.py FOLDER`` works on a virtual environment in place; the image is built
with it. It removes the tests and the sources of compiled modules of packages, parts of SciPy that
nothing imports, and symbols and debugging information of libraries.
"""

import json
import shutil
import struct
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

__all__ = ["UNUSED", "drop_symbols", "make_bill_of_materials", "trim"]

# Whose folders of tests are imported by nobody; of others (numpy, astropy) the tests in them go.
_TESTED = ("numba", "llvmlite", "scipy")
# Neither a service nor what it imports needs them: tests/cluster/test_image_contents.py.
UNUSED = (
    "scipy/cluster", "scipy/datasets", "scipy/differentiate", "scipy/fftpack", "scipy/integrate",
    "scipy/interpolate", "scipy/io", "scipy/misc", "scipy/odr", "scipy/optimize", "scipy/signal",
    "scipy/stats", "scipy/fft", "scipy/special/cython_special", "lxml/html", "lxml/includes",
    "lxml/isoschematron", "lxml/objectify", "confluent_kafka/schema_registry",
    "numpy/_core/include", "astropy/wcs/include",
    "astropy/convolution", "astropy/cosmology", "astropy/modeling", "astropy/nddata",
    "astropy/samp", "astropy/timeseries", "astropy/uncertainty", "astropy/visualization",
)  # fmt: skip
# What compiled modules are made of, and what only type checkers read.
_SOURCES = frozenset((".a", ".c", ".cpp", ".cu", ".f", ".f90", ".h", ".hpp", ".pxd", ".pxi",
                      ".pyi", ".pyx"))  # fmt: skip
_HEADER_64 = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM_HEADER_64 = struct.Struct("<IIQQQQQQ")
_ELF_64_LITTLE = b"\x7fELF\x02\x01"


def trim(environment: Path) -> None:
    """Trim a virtual environment, and write ``bill-of-materials.cdx.json`` there.

    Parameters
    ----------
    environment : Path
        Its root.
    """
    [packages] = environment.glob("lib/python3*/site-packages")
    for name in _TESTED:
        for folder in sorted((packages / name).rglob("tests")):
            shutil.rmtree(folder, ignore_errors=True)  # it may be in one that has gone
    for name in UNUSED:
        shutil.rmtree(packages / name, ignore_errors=True)
        for module in (packages / name).parent.glob(f"{Path(name).name}.*"):
            module.unlink()
    _drop_files(packages)
    n_bytes = sum(drop_symbols(each) for each in _find_libraries(packages))
    sys.stdout.write(f"symbols dropped: {n_bytes / 1e6:.0f} MB\n")
    bill = make_bill_of_materials(list(distributions(path=[str(packages)])))
    text = json.dumps(bill, indent=1) + "\n"
    (environment / "bill-of-materials.cdx.json").write_text(text, encoding="utf-8")


def _drop_files(packages: Path) -> None:
    """Remove tests and sources of compiled modules, wherever they are."""
    for each in sorted(packages.rglob("*")):
        is_test = each.parent.name == "tests" and (each.match("test_*.py") or each.name == "data")
        if is_test and each.is_dir():
            shutil.rmtree(each)
        elif is_test or (each.suffix in _SOURCES and each.is_file()):
            each.unlink(missing_ok=True)


def _find_libraries(packages: Path) -> Iterator[Path]:
    for each in sorted(packages.rglob("*.so*")):
        if each.is_file() and not each.is_symlink():
            yield each


def drop_symbols(library: Path) -> int:
    """Cut a shared library where what the loader reads ends; other files are left alone.

    Section headers, symbols for linkers and debugging information come after it.

    Parameters
    ----------
    library : Path
        Changed in place.

    Returns
    -------
    int
        How much smaller it is [byte].

    References
    ----------
    System V ABI, chapter 5: a program is loaded by its program headers alone.
    """
    with library.open("r+b") as file:
        head = file.read(_HEADER_64.size)
        if not head.startswith(_ELF_64_LITTLE) or len(head) < _HEADER_64.size:
            return 0
        fields = list(_HEADER_64.unpack(head))
        begin, size, number = fields[5], fields[9], fields[10]
        file.seek(begin)
        table = file.read(size * number)
        # Offset and size in the file of each segment.
        segments = [each[2] + each[5] for each in _PROGRAM_HEADER_64.iter_unpack(table)]
        end = max(_HEADER_64.size, begin + size * number, *segments)
        fields[6] = fields[12] = fields[13] = 0  # no section headers
        file.seek(0)
        file.write(_HEADER_64.pack(*fields))
        before = file.seek(0, 2)
        file.truncate(min(end, before))
    return int(before - min(end, before))


def make_bill_of_materials(installed: list[Distribution]) -> dict[str, Any]:
    """Return installed distributions as CycloneDX 1.6, in the order of their names.

    Parameters
    ----------
    installed : list of Distribution
        LiveTrap itself may be among them.
    """
    by_name = {each.name.lower().replace("_", "-"): each for each in installed}
    components = []
    for name, each in sorted(by_name.items()):
        component: dict[str, Any] = {
            "type": "library",
            "bom-ref": f"pkg:pypi/{name}@{each.version}",
            "name": name,
            "version": each.version,
            "purl": f"pkg:pypi/{name}@{each.version}",
        }
        if "License-Expression" in each.metadata:
            component["licenses"] = [{"expression": each.metadata["License-Expression"]}]
        components.append(component)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "components": components,
    }


if __name__ == "__main__":
    trim(Path(sys.argv[1]))

"""What goes into the image: libraries without symbols that still load, and a list of it all."""

import importlib.util
import shutil
import struct
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def trim() -> ModuleType:
    spec = importlib.util.spec_from_file_location("trim", ROOT / "deploy/image/trim.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def library(tmp_path: Path) -> Path:
    [source] = Path(yaml.__file__).parent.glob("_yaml*.so")
    return Path(shutil.copy(source, tmp_path))


def n_section_headers(library: Path) -> int:
    return int(struct.unpack_from("<H", library.read_bytes(), 60)[0])


def test_a_library_without_symbols_is_smaller_and_loads(trim: ModuleType, library: Path) -> None:
    before = library.stat().st_size
    assert n_section_headers(library) > 0
    n_bytes = trim.drop_symbols(library)
    assert n_bytes > 0
    assert library.stat().st_size == before - n_bytes
    assert n_section_headers(library) == 0
    assert trim.drop_symbols(library) == 0
    load = (
        "import sys, importlib.util as u;"
        "spec = u.spec_from_file_location('yaml._yaml', sys.argv[1]);"
        "module = u.module_from_spec(spec); spec.loader.exec_module(module);"
        "print(module.get_version_string())"
    )
    done = subprocess.run(
        [sys.executable, "-c", load, str(library)], capture_output=True, text=True, check=True
    )
    assert done.stdout.count(".") == 2


@pytest.mark.parametrize(
    "content", [b"", b"\x7fELF\x02\x01", b"\x7fELF\x01\x01" + bytes(60), b"INPUT(libx.so.1)\n"]
)
def test_what_is_no_library_is_left_alone(
    trim: ModuleType, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "lib.so"
    path.write_bytes(content)
    assert trim.drop_symbols(path) == 0
    assert path.read_bytes() == content


def test_a_bill_of_materials_names_every_package_once(trim: ModuleType) -> None:
    bill = trim.make_bill_of_materials(list(distributions()))
    assert bill["bomFormat"] == "CycloneDX"
    names = [each["name"] for each in bill["components"]]
    assert names == sorted(names)
    assert {"numpy", "asyncpg", "confluent-kafka"} <= set(names)
    numpy = next(each for each in bill["components"] if each["name"] == "numpy")
    assert numpy["purl"] == f"pkg:pypi/numpy@{numpy['version']}"


def test_an_environment_is_trimmed_in_place(
    trim: ModuleType, library: Path, tmp_path: Path
) -> None:
    packages = tmp_path / "lib/python3.12/site-packages"
    for each in ("scipy/tests", "scipy/stats", "scipy/special/tests/data", "astropy/tests",
                 "astropy/wcs/tests/data"):  # fmt: skip
        (packages / each).mkdir(parents=True)
    for each in ("astropy/tests/runner.py", "astropy/wcs/tests/test_wcs.py", "astropy/wcs/wcs.h",
                 "astropy/wcs/wcs.py", "astropy/wcs/py.typed",
                 "scipy/special/cython_special.cpython-312.so",
                 "scipy/special/cython_specials.py"):  # fmt: skip
        (packages / each).touch()
    moved = Path(shutil.move(library, packages / library.name))
    trim.trim(tmp_path)
    assert n_section_headers(moved) == 0
    left = {str(each.relative_to(packages)) for each in packages.rglob("*")} - {moved.name}
    assert left == {
        "astropy", "astropy/tests", "astropy/tests/runner.py", "astropy/wcs", "astropy/wcs/tests",
        "astropy/wcs/wcs.py", "astropy/wcs/py.typed", "scipy", "scipy/special",
        "scipy/special/cython_specials.py",
    }  # fmt: skip
    assert '"CycloneDX"' in (tmp_path / "bill-of-materials.cdx.json").read_text()

"""Machine code of an image is used where nobody may write it."""

import os
import subprocess
import sys
from pathlib import Path

import llvmlite.binding
import numba
import pytest

from services.extract import kernels


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVETRAP_KERNEL_CACHE", str(tmp_path / "image"))
    monkeypatch.setenv("NUMBA_CPU_NAME", "x86-64-v3")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / "image" / f"{numba.__version__}-x86-64-v3-{kernels._digest_of_sources()}"


def test_who_may_write_compiles_into_the_image(image: Path) -> None:
    assert kernels._cache_dir() == image
    assert image.is_dir()


def test_others_get_a_copy_to_write(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image.mkdir(parents=True)
    (image / "scan.nbi").write_bytes(b"code")
    monkeypatch.setattr(os, "access", lambda *_: False)
    copy = kernels._cache_dir()
    assert copy != image
    assert (copy / "scan.nbi").read_bytes() == b"code"


def test_an_image_for_another_version_is_told(
    image: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    image.parent.mkdir(parents=True)
    monkeypatch.setattr(Path, "mkdir", _refuse)
    copy = kernels._cache_dir()
    assert not list(copy.iterdir())
    assert "no machine code for this version and processor" in caplog.text


def _refuse(*_: object, **__: object) -> None:
    raise PermissionError


@pytest.mark.parametrize("missing", ["", "avx2"])
def test_an_older_processor_gets_its_own_code(
    monkeypatch: pytest.MonkeyPatch, missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NUMBA_CPU_NAME", "x86-64-v3")
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "")
    features = {name: name != missing for name in kernels._V3_FEATURES}
    monkeypatch.setattr(llvmlite.binding, "get_host_cpu_features", lambda: features)
    kernels._forget_other_processor()
    assert ("NUMBA_CPU_NAME" in os.environ) == (not missing)
    assert ("not x86-64-v3 (avx2)" in caplog.text) == bool(missing)


# A forked process ends before it, as a program does.
_USE = """
import os, sys
from pathlib import Path
from services.extract import kernels
folder = Path(os.environ["NUMBA_CACHE_DIR"])
(folder / "part").mkdir()
(folder / "part" / "scan.nbi").write_bytes(b"code")
child = os.fork()
if not child:
    sys.exit()
os.waitpid(child, 0)
print(folder, (folder / "part" / "scan.nbi").is_file())
"""


@pytest.mark.parametrize("place", ["LIVETRAP_CACHE_DIR", "LIVETRAP_KERNEL_CACHE"])
def test_a_folder_of_one_process_is_gone_with_it(tmp_path: Path, place: str) -> None:
    no_folder, temporary = tmp_path / "file", tmp_path / "temporary"
    no_folder.touch()
    temporary.mkdir()
    env = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    env |= {place: str(no_folder), "TMPDIR": str(temporary)}
    done = subprocess.run(
        [sys.executable, "-c", _USE], env=env, check=True, capture_output=True, text=True
    )
    folder, is_there = done.stdout.split()
    assert Path(folder).parent == temporary
    assert is_there == "True"
    assert not list(temporary.iterdir())

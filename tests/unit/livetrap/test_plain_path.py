"""A data folder may have any name: Kafka and supervisord see a plain one."""

import os
import tempfile
from pathlib import Path

import pytest

from livetrap.operator.status import get_status, render_status
from livetrap.stack.errors import StackError
from livetrap.stack.paths import numba_cache, plain_path
from livetrap.stack.state import read_running


@pytest.mark.parametrize("name", ["plain", "with space", "a-b_c.d", "x@y"])
def test_a_plain_name_stays(tmp_path: Path, name: str) -> None:
    assert plain_path(tmp_path / name) == tmp_path / name


@pytest.mark.parametrize("name", ["acc\u00e9nt", "a,b", "per%cent", 'quo"te', "new\nline", "#x;y"])
def test_another_name_gets_a_link(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / name
    folder.mkdir()
    for _ in range(2):
        link = plain_path(folder)
        assert link.resolve() == folder.resolve()
        assert plain_path(link) == link
        assert link.readlink() == folder


def test_a_link_that_cannot_be_made_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(StackError, match="choose a plain name with --data-dir"):
        plain_path(tmp_path / "a,b")


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_is_no_data_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match=f"{name} is no folder: choose one with --data-dir"):
        read_running(tmp_path / name)


def test_the_folder_of_another_account_is_named_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its state has a password, so only its owner reads it; root, who may run this test, too."""

    def refuse(path: Path, **_: object) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(StackError, match="is another account's: ask as that account"):
        read_running(tmp_path)


def test_a_status_has_its_folder_on_one_line(tmp_path: Path) -> None:
    text = render_status(get_status(tmp_path / "new\nline"))
    assert text == f"nothing runs in {tmp_path}/new\\nline; `livetrap up` starts it"


def test_kernels_are_cached_in_the_data_folder_of_an_account_without_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NUMBA_CACHE_DIR", "LIVETRAP_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert numba_cache(tmp_path / "data") is None
    monkeypatch.setenv("HOME", os.devnull)
    cache = numba_cache(tmp_path / "data")
    assert cache is not None
    assert cache.is_relative_to(tmp_path / "data")
    monkeypatch.setenv("LIVETRAP_CACHE_DIR", str(tmp_path))
    assert numba_cache(tmp_path / "data") is None

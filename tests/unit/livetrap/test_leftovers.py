"""Databases of data folders that are gone are found; one that somebody may use never is."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from livetrap.cli import app
from livetrap.stack import leftovers, postgres_server
from livetrap.stack.leftovers import find_leftovers, remove_leftovers, write_owner


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "default").mkdir(parents=True)
    (tmp_path / "root" / "programs").mkdir()
    return tmp_path / "root"


def database(root: Path, number: int, data_dir: Path | None) -> Path:
    """Make the database of a data folder, which is made too, with its record."""
    folder = root / f"{number:016x}-0123abcd"
    (folder / "postgres" / "global").mkdir(parents=True)
    (folder / "postgres" / "global" / "pg_control").write_bytes(b"\0" * 8192)
    if data_dir is not None:
        data_dir.mkdir(parents=True, exist_ok=True)
        record = {"cluster": str(folder / "postgres"), "password": "p"}
        (data_dir / "postgres.json").write_text(json.dumps(record))
        write_owner(folder, data_dir)
    return folder


@pytest.mark.parametrize("name", ["plain", "acc\u00e9nt, 100%", "new\nline", "\udcff"])
def test_the_database_of_a_folder_that_is_gone_is_found(root: Path, name: str) -> None:
    data_dir = root.parent / name
    folder = database(root, 1, data_dir)
    assert find_leftovers(root) == []
    shutil.rmtree(data_dir)
    (found,) = find_leftovers(root)
    assert (found.folder, found.data_dir) == (folder, data_dir)
    assert found.n_bytes() > 8192


def test_a_folder_that_was_made_again_owns_its_new_database_only(root: Path) -> None:
    first = database(root, 1, root.parent / "data")
    database(root, 2, root.parent / "data")
    assert [each.folder for each in find_leftovers(root)] == [first]


def test_a_folder_behind_a_link_is_not_gone_with_the_link(root: Path) -> None:
    database(root, 1, root.parent / "data")
    link = root.parent / "link"
    link.symlink_to(root.parent / "data")
    write_owner(root / f"{1:016x}-0123abcd", link)
    link.unlink()
    assert find_leftovers(root) == []


def test_a_database_with_a_server_is_none(root: Path) -> None:
    data_dir = root.parent / "data"
    folder = database(root, 1, data_dir)
    shutil.rmtree(data_dir)
    program = root.parent / "postgres"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as server:
        (folder / "postgres" / "postmaster.pid").write_text(f"{server.pid}\n/somewhere\n")
        assert find_leftovers(root) == []
        server.kill()
    assert len(find_leftovers(root)) == 1


def test_a_record_that_cannot_be_read_is_no_proof(root: Path) -> None:
    database(root, 1, root.parent / "data")
    (root.parent / "data" / "postgres.json").write_text("{")
    assert find_leftovers(root) == []


def test_only_known_owners_in_a_temporary_folder_are_removed_unasked(root: Path) -> None:
    temporary = root.parent / "tmp"
    of_test = database(root, 1, temporary / "test" / "data")
    alive = database(root, 2, temporary / "other" / "data")
    elsewhere = database(root, 3, root.parent / "disk" / "data")
    unknown = database(root, 4, None)
    shutil.rmtree(temporary / "test")
    shutil.rmtree(root.parent / "disk")
    assert remove_leftovers(temporary, root) == 1
    assert not of_test.exists()
    assert all(folder.exists() for folder in (alive, elsewhere, unknown))


def test_prune_lists_and_removes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_leftovers, "__defaults__", (root,))
    gone = database(root, 1, root.parent / "data")
    old, new = database(root, 2, None), database(root, 3, None)
    shutil.rmtree(root.parent / "data")
    os.utime(old / "postgres" / "global" / "pg_control", (0, 0))
    listed = CliRunner().invoke(app, ["prune"]).output
    assert f"{gone}  of {root.parent / 'data'}" in listed
    assert f"{new}  of unknown" in listed
    assert "3 databases without a data folder, 0 deleted" in listed
    assert "1 deleted" in CliRunner().invoke(app, ["prune", "--remove"]).output
    assert not gone.exists()
    assert "1 deleted" in CliRunner().invoke(app, ["prune", "--remove", "--unused-h", "2"]).output
    assert not old.exists()
    assert new.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="other accounts keep it in the data folder")
def test_a_database_elsewhere_knows_its_data_folder(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_server, "SHARED_ROOT", root)
    closed = root.parent / "closed"
    closed.mkdir(mode=0o700)
    server = postgres_server.open_server(closed, port=1)
    assert server.cluster.is_relative_to(root)
    (server.cluster.parent / leftovers._OWNER).unlink()  # as of an earlier version
    assert [each.data_dir for each in find_leftovers(root)] == [None]
    postgres_server.open_server(closed, port=1)
    assert find_leftovers(root) == []
    shutil.rmtree(closed)
    assert [each.data_dir for each in find_leftovers(root)] == [closed]

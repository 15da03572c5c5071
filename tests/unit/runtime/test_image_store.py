"""The store of archived images, in a folder."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from runtime.errors import SettingsError, TransientError
from runtime.image_store import ImageStore
from runtime.settings import ArchiveSettings
from tests.support.s3_server import S3Server, s3_server

NAME = "a/2026-11-27/150.000MHz-I/x.fits"


def store_in(folder: Path) -> ImageStore:
    return ImageStore(ArchiveSettings(url=folder.as_uri()))


def test_a_file_is_written_read_replaced_and_deleted(tmp_path: Path) -> None:
    store = store_in(tmp_path / "not there yet")
    assert (store.get(NAME), store.find_size(NAME)) == (None, None)
    for data in (b"first", b"second"):
        store.put(NAME, data)
        assert store.get(NAME) == data
    assert store.find_size(NAME) == len(b"second")
    assert (tmp_path / "not there yet" / NAME).read_bytes() == b"second"
    store.delete([NAME])
    store.delete([NAME])
    assert store.get(NAME) is None


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / f"{NAME}#1"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"hal")
    store_in(tmp_path).put(NAME, b"half")
    assert [each.name for each in left.parent.iterdir()] == ["x.fits"]


def test_a_file_in_the_place_of_the_folder_is_an_outage_until_it_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.write_text("in the way")
    store = store_in(folder)
    for use in (lambda: store.put(NAME, b"x"), lambda: store.get(NAME)):
        with pytest.raises(TransientError, match="LIVETRAP_ARCHIVE__URL"):
            use()
    assert "archive" in str(store.find_failure(1.0))
    folder.unlink()
    store.put(NAME, b"x")
    assert store.find_failure(1.0) is None


def test_a_folder_that_was_replaced_by_a_file_is_an_outage(tmp_path: Path) -> None:
    store = store_in(tmp_path / "archive")
    store.put("a/x", b"x")
    (tmp_path / "archive" / "b").write_text("in the way")
    with pytest.raises(TransientError, match="LIVETRAP_ARCHIVE__URL"):
        store.put("b/x", b"x")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "write a folder"),
        ("ftp://host/x", "write a folder"),
        ("images", "whole path"),
        ("file://images", "whole path"),
        ("s3:///prefix", "bucket"),
        ("s3://me:secret@bucket", "credentials"),
    ],
)
def test_a_place_that_is_none_is_refused(url: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ArchiveSettings(url=url)


@pytest.mark.parametrize("url", ["s3://bucket/prefix", "gs://bucket", "az://container/a"])
def test_an_object_store_is_no_folder(url: str) -> None:
    assert ArchiveSettings(url=url).folder is None


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with s3_server() as server:
        monkeypatch.setenv("AWS_ENDPOINT", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_REGION", "eu-west-1")
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield server


def test_a_bucket_is_as_a_folder(s3: S3Server) -> None:
    store = ImageStore(ArchiveSettings(url="s3://bucket/lofar"))
    assert (store.get(NAME), store.find_size(NAME)) == (None, None)
    store.put(NAME, b"first")
    assert s3.objects == {f"bucket/lofar/{NAME}": b"first"}
    assert (store.get(NAME), store.find_size(NAME)) == (b"first", 5)
    store.put("other", b"second")
    store.delete([NAME])
    store.delete([NAME, "other"])
    assert s3.objects == {}
    assert all(s3.signed)


def test_a_bucket_that_refuses_is_an_outage(s3: S3Server) -> None:
    store = ImageStore(ArchiveSettings(url="s3://bucket"))
    s3.status = 403
    reasons = set()
    for _ in range(3):
        with pytest.raises(TransientError, match=r"403.*LIVETRAP_ARCHIVE__URL") as refused:
            store.put(NAME, b"x")
        reasons.add(str(refused.value))
    # One reason is one line in the log, however often it is tried.
    assert reasons == {store.find_failure(1.0)}
    assert "Debug" not in reasons.pop()
    s3.status = None
    store.put(NAME, b"x")
    assert store.find_failure(1.0) is None


def test_a_missing_library_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(SettingsError, match=r"pip install 'livetrap\[archive\]'"):
        store_in(tmp_path)

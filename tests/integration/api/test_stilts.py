"""STILTS, the validator of the IVOA's community, finds nothing wrong."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.api_rows import rows_of
from tests.support.observatory import observe
from tests.support.served_api import served

pytestmark = [
    pytest.mark.stilts,
    pytest.mark.skipif(shutil.which("stilts") is None, reason="STILTS is not installed"),
]

_TIMEOUT_S = 480
# Tables of planned observations, and uploads.
_NOT_OFFERED = ("F-LOC-NOTP", "F-UPL-NOUP")
_ADQL = "select * from livetrap.source"
_TABLES = (
    f"/vo/tap/sync?LANG=ADQL&MAXREC=5&QUERY={_ADQL.replace(' ', '+')}",
    "/vo/tap/sync?LANG=ADQL&MAXREC=5&QUERY=select+*+from+ivoa.obscore",
    "/vo/tap/sync?LANG=ADQL&QUERY=nonsense",
    "/vo/scs?RA=0&DEC=10&SR=1&VERB=3",
    "/vo/scs/transients?RA=0&DEC=10&SR=1&VERB=3",
    "/vo/scs?RA=x",
    "/vo/sia?MAXREC=5",
    f"/vo/datalink?ID={'0' * 64}",
    "/api/v1/sources?format=votable",
)


@pytest.fixture(scope="module")
def address(postgres_url: str) -> Iterator[str]:
    """Serve what the services are asked for."""
    asyncio.run(_insert(postgres_url))
    with served(postgres_url) as address:
        yield address


async def _insert(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows:
        await observe(rows)


def run(*words: str) -> str:
    ran = subprocess.run(
        ["stilts", *words], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    return ran.stdout + ran.stderr


def test_taplint_finds_no_error_and_no_warning(address: str) -> None:
    report = run("taplint", f"tapurl={address}/vo/tap", "report=EWF", "maxrepeat=50")
    assert "Totals" in report, report
    found = [line for line in report.splitlines() if re.match("[EWF]-", line)]
    assert [line for line in found if not line.startswith(_NOT_OFFERED)] == [], report


@pytest.mark.parametrize("path", ["/vo/scs", "/vo/scs/transients"])
def test_a_cone_of_stilts_finds_what_is_there(address: str, tmp_path: Path, path: str) -> None:
    table = tmp_path / "found.csv"
    report = run(
        "cone", f"serviceurl={address}{path}", "servicetype=cone", "lon=0", "lat=10",
        "radius=0.15", "verb=3", "ofmt=csv", f"out={table}",
    )  # fmt: skip
    assert table.exists(), report
    names, *found = table.read_text().splitlines()
    assert names.split(",")[:3] == ["name", "ra", "dec"], names
    assert found, report


@pytest.mark.parametrize("path", _TABLES)
def test_votlint_finds_nothing(address: str, tmp_path: Path, path: str) -> None:
    table = tmp_path / "table.vot"
    table.write_bytes(httpx.get(address + path, timeout=60).content)
    report = run("votlint", f"votable={table}", "ucd=true", "unit=true")
    assert not re.findall(r"(?:ERROR|WARNING).*", report), report

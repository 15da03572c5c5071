"""The page of a test module: one server, one database, one browser for all of its tests."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import httpx

from livetrap.stack.ports import choose_port
from tests.support.api_rows import Rows, rows_of
from tests.support.browser import Page, open_page
from tests.support.forked import start_module
from tests.support.server_process import server_folder

__all__ = ["TOKEN", "Site", "add_transient", "open_site"]

TOKEN = "page-token-of-the-tests"  # noqa: S105  (of a server of the tests)
_FIRST_ANSWER_S = 60
_IS_DRAWN = (
    "document.querySelector('h1') !== null && document.querySelector('[aria-busy]') === null"
)
T = TypeVar("T")


class Site:
    """A server, its database, and a browser that looks at it.

    Parameters
    ----------
    port : int
        Of the server.
    postgres_url : str
        Of the database.
    page : Page
        The browser's tab.
    stack : ExitStack
        Ends the servers that were started.
    settings : mapping, optional
        More of them for the server, by variable.
    """

    def __init__(
        self,
        port: int,
        postgres_url: str,
        page: Page,
        stack: ExitStack,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.page = page
        self.postgres_url = postgres_url
        self._stack = stack
        self._settings = {
            "LIVETRAP_POSTGRES__URL": postgres_url,
            "LIVETRAP_API__PORT": str(port),
            "LIVETRAP_API__WRITE_TOKEN": TOKEN,
            "LIVETRAP_API__STATISTICS_REFRESH_S": "1",
            "LIVETRAP_API__REQUESTS_PER_SECOND": "1e9",
            **settings,
        }

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        log = self._stack.enter_context(server_folder()) / "api.log"
        self._process = start_module(
            "api", environment=os.environ | self._settings, log=log, service="api"
        )
        self._stack.callback(self._process.wait)
        self._stack.callback(self._process.kill)
        self._wait_until_ready(log)

    def _wait_until_ready(self, log: Path) -> None:
        deadline_s = time.monotonic() + _FIRST_ANSWER_S
        with httpx.Client(trust_env=False) as client:
            while time.monotonic() < deadline_s and self._process.poll() is None:
                try:
                    if client.get(f"{self.address}/readyz").is_success:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(0.1)
        raise AssertionError(f"the API did not become ready: {log.read_text()}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server."""
        self._process.send_signal(number)

    def write(self, work: Callable[[Rows], Awaitable[T]]) -> tuple[str, T]:
        """Write rows of a new stream; give its name and what the work returns."""

        async def run() -> tuple[str, T]:
            async with rows_of(self.postgres_url) as rows:
                return rows.stream, await work(rows)

        return asyncio.run(run())

    def open(self, path: str = "") -> Page:
        """Show a page, and wait until it is drawn."""
        self.page.open(f"{self.address}/{path}")
        self.page.wait_for(f"document.querySelector('#connection.live') !== null && {_IS_DRAWN}")
        return self.page

    def errors(self) -> list[str]:
        """Return what the console says, but for pixels that no broker has here."""
        absent = ("/cutout?", "/rms", "/stamps/")
        return [each for each in self.page.errors if not any(name in each for name in absent)]


async def add_transient(
    rows: Rows, *, snr: float = 20.0, kind: str = "new_source"
) -> tuple[int, int]:
    """Insert a transient with a light curve of two bands and its alert; give its ids."""
    images = [await rows.image(step, band) for step in range(4) for band in (120e6, 150e6)]
    source = await rows.source(
        10.0, 10.0, image=images[0], eta=30.0, v=0.5, is_new=True, n_datapoints=8
    )
    for number, image in enumerate(images):
        forced = {"extraction_type": "forced", "snr": -1.5} if number > 5 else {}
        flux_jy = -0.0015 if number > 5 else 0.01 * (1 + number % 3)
        await rows.point(source, image, flux_jy, **forced)
    transient = await rows.transient(source, image=images[0], snr=snr, kind=kind)
    await rows.alert(transient_id=transient, source_id=source, snr=snr, kind=kind)
    return source, transient


@contextmanager
def open_site(
    postgres_url: str, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Site]:
    """Serve a database and open a browser; stop both after."""
    port = choose_port(None, taken=set())
    with ExitStack() as stack, open_page() as page:
        site = Site(port, postgres_url, page, stack, settings)
        site.start()
        yield site

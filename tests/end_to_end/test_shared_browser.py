"""Workers of a parallel run share a browser, and get another one when it has ended."""

import json
from collections.abc import Iterator

import pytest
from websockets.sync.client import connect

from tests.support import run_addresses
from tests.support.browser import CHROMIUM, open_page
from tests.support.browser_process import is_browser_lost
from tests.support.shared_servers import SharedServers, browser_of_run
from tests.support.vtp_service import wait_until

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="NO BROWSER: install chromium")


@pytest.fixture
def servers_of_run(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    servers = SharedServers()
    monkeypatch.setenv(run_addresses.SERVERS, servers.address)
    yield
    servers.close()


@pytest.mark.usefixtures("servers_of_run")
def test_a_browser_that_has_ended_is_replaced() -> None:
    first = browser_of_run()
    assert browser_of_run() == first
    with connect(first) as connection:
        connection.send(json.dumps({"id": 1, "method": "Browser.close"}))
    wait_until(lambda: is_browser_lost(first), what="the end of the browser")
    with open_page() as page:
        assert page.run("1 + 1") == 2
    assert browser_of_run() != first

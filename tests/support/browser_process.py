"""The Chromium of a test process: started when a page is first wanted, stopped at the end."""

import atexit
import json
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from livetrap.stack.child import bind_to_parent
from tests.support.browser_profiles import PREFIX

__all__ = ["CHROMIUM", "open_tab"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_START_S = 60.0
_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
    "--disable-dev-shm-usage", "--remote-debugging-port=0", "--window-size=1400,900",
    # What no page needs takes a third of the processor time: processes ahead of need, the pages
    # of the address bar, experiments, updates.
    "--disable-features=SpareRendererForSitePerProcess,WebUIOmniboxPopup,WebUIOmniboxAimPopup",
    "--renderer-process-limit=1", "--disable-field-trial-config",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions",
)  # fmt: skip


class _Browser:
    """A browser with a fresh profile that runs from the start on."""

    def __init__(self) -> None:
        assert CHROMIUM is not None
        self._profile = Path(tempfile.mkdtemp(prefix=PREFIX))
        command = [CHROMIUM, *_OPTIONS, f"--user-data-dir={self._profile}", "about:blank"]
        self._process = subprocess.Popen(
            bind_to_parent(command, death_signal=signal.SIGTERM),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        atexit.register(self.stop)
        port, path = self._wait_for_address()
        self.address = f"ws://127.0.0.1:{port}"
        self._path = path

    def _wait_for_address(self) -> tuple[str, str]:
        """Return the port and the path of the browser's debugging address once it is written."""
        file = self._profile / "DevToolsActivePort"
        deadline_s = time.monotonic() + _START_S
        while time.monotonic() < deadline_s:
            if file.exists() and len(lines := file.read_text().split()) == 2:
                return lines[0], lines[1]
            time.sleep(0.05)
        raise AssertionError("Chromium did not open its debugging port")

    def call(self, method: str, **parameters: str | bool) -> dict[str, Any]:
        """Return the result of a method of the browser's own."""
        with connect(f"{self.address}{self._path}", max_size=None) as connection:
            connection.send(json.dumps({"id": 1, "method": method, "params": parameters}))
            while True:
                message = json.loads(connection.recv(timeout=90))
                if message.get("id") == 1:
                    assert "error" not in message, message
                    return dict(message["result"])

    def is_running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """End it, and delete its profile."""
        self._process.terminate()
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)


@contextmanager
def open_tab() -> Iterator[str]:
    """Give the debugging address of a new tab that shares nothing with others; close it after.

    Starting a browser takes a second of processor time, and a tab a tenth of it.
    """
    if not _browser().is_running():
        _browser.cache_clear()
    browser = _browser()
    context = browser.call("Target.createBrowserContext")["browserContextId"]
    try:
        tab = browser.call("Target.createTarget", url="about:blank", browserContextId=context)
        yield f"{browser.address}/devtools/page/{tab['targetId']}"
    finally:
        browser.call("Target.disposeBrowserContext", browserContextId=context)


@lru_cache(maxsize=1)
def _browser() -> _Browser:
    return _Browser()

"""The Chromium of a test run: one for all its workers, started when a page is first wanted."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import connect

from livetrap.stack.child import bind_to_parent
from livetrap.stack.ports import is_listening
from tests.support.browser_profiles import make_profile

__all__ = ["CHROMIUM", "browser_server", "is_browser_lost", "open_tab"]

# The shell has no windows, menus and accounts to keep: it takes less CPU time for the same pages.
# By its own path: the program of Debian that is named so would start it as a process of its own.
_PROGRAMS = ("/usr/lib/chromium/chromium-headless-shell", "chromium", "chromium-browser")
CHROMIUM = next(filter(None, map(shutil.which, _PROGRAMS)), None)
_START_S = 60.0
_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
    "--disable-dev-shm-usage", "--remote-debugging-port=0", "--window-size=1400,900",
    # What no page needs takes a third of the processor time: processes ahead of need, the pages
    # of the address bar, experiments, updates.
    "--disable-features=SpareRendererForSitePerProcess,WebUIOmniboxPopup,WebUIOmniboxAimPopup",
    "--renderer-process-limit=1", "--disable-field-trial-config",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions",
    # Each page of each worker is one that its reader looks at.
    "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
)  # fmt: skip


@contextmanager
def browser_server() -> Iterator[str]:
    """Start a browser with a fresh profile; give its debugging address, and stop it after."""
    assert CHROMIUM is not None
    profile = make_profile()
    command = [CHROMIUM, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
        bind_to_parent(command, death_signal=signal.SIGTERM),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield _wait_for_address(profile)
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(profile, ignore_errors=True)


def is_browser_lost(address: str) -> bool:
    """Return whether nobody listens at a debugging address any more."""
    return not is_listening(urlsplit(address).port or 0)


@contextmanager
def open_tab(browser: str) -> Iterator[str]:
    """Give the debugging address of a new tab that shares nothing with others; close it after.

    Starting a browser takes a second of processor time, and a tab a tenth of it.
    """
    context = _call(browser, "Target.createBrowserContext")["browserContextId"]
    try:
        tab = _call(browser, "Target.createTarget", url="about:blank", browserContextId=context)
        yield f"ws://{urlsplit(browser).netloc}/devtools/page/{tab['targetId']}"
    finally:
        _call(browser, "Target.disposeBrowserContext", browserContextId=context)


def _wait_for_address(profile: Path) -> str:
    """Return the browser's debugging address once its port and path are written."""
    file = profile / "DevToolsActivePort"
    deadline_s = time.monotonic() + _START_S
    while time.monotonic() < deadline_s:
        if file.exists() and len(lines := file.read_text().split()) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.05)
    raise AssertionError("Chromium did not open its debugging port")


def _call(browser: str, method: str, **parameters: str | bool) -> dict[str, Any]:
    """Return the result of a method of the browser's own."""
    with connect(browser, max_size=None) as connection:
        connection.send(json.dumps({"id": 1, "method": method, "params": parameters}))
        while True:
            message = json.loads(connection.recv(timeout=90))
            if message.get("id") == 1:
                assert "error" not in message, message
                return dict(message["result"])

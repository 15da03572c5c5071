"""A headless Chromium, driven by its own debugging protocol."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.support.browser_process import CHROMIUM, open_tab
from tests.support.shared_servers import browser_of_run

__all__ = ["CHROMIUM", "Page", "open_page"]


class Page:
    """One tab.

    Parameters
    ----------
    connection : ClientConnection
        To the tab's debugging address.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._number = 0
        self.n_pressed = 0
        self.errors: list[str] = []
        self._requests: list[tuple[str, str]] = []
        self._errors_before: dict[str, int] = {}
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        self._connection.send(
            json.dumps({"id": self._number, "method": method, "params": parameters})
        )
        while True:
            message = json.loads(self._connection.recv(timeout=90))
            if message.get("id") == self._number:
                assert "error" not in message, message
                return dict(message["result"])
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        if message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(message["params"]["exceptionDetails"])[:500])
        if message.get("method") == "Network.requestWillBeSent":
            asked = message["params"]
            self._requests.append((asked["loaderId"], asked["request"]["url"]))
        if message.get("method") == "Page.frameNavigated":
            self._errors_before[message["params"]["frame"]["loaderId"]] = len(self.errors)
        if message.get("method") == "Log.entryAdded":
            entry = message["params"]["entry"]
            if entry["level"] == "error":
                self.errors.append(f"{entry['text']} {entry.get('url', '')}")

    def _wait_for_event(self, method: str) -> None:
        while True:
            message = json.loads(self._connection.recv(timeout=90))
            self._note(message)
            if message.get("method") == method:
                return

    @property
    def requests(self) -> list[str]:
        """Addresses that were asked for since the tab was opened, or `open` was called."""
        return [url for _, url in self._requests]

    def goto(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def open(self, url: str) -> None:
        """Load a document anew; forget what others have asked for, and their errors.

        Between two documents of one site there is no empty one: it would end their process.
        """
        document = self.call("Page.navigate", url=url).get("loaderId")
        if document is None:  # a place in the document that is shown
            self.goto("about:blank")
            document = self.call("Page.navigate", url=url)["loaderId"]
        while document not in self._errors_before:
            self._note(json.loads(self._connection.recv(timeout=90)))
        del self.errors[: self._errors_before[document]]
        self._errors_before.clear()
        self._requests = [each for each in self._requests if each[0] == document]

    def reload(self) -> None:
        """Load the page anew; what is asked afterwards is asked of the new document."""
        self.call("Page.reload")
        for event in ("Page.frameNavigated", "Page.loadEventFired"):
            self._wait_for_event(event)

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression."""
        result = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def press(self, key: str) -> None:
        """Press and release a key by its name, such as ``j`` or ``Enter``; count it."""
        self.n_pressed += 1
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        codes = {"Enter": 13, "Tab": 9, "Escape": 27, "End": 35, "Home": 36, "ArrowRight": 39}
        code = codes.get(key, ord(key.upper()) if len(key) == 1 else 0)
        common = {"key": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def set_dark(self, *, dark: bool) -> None:
        value = "dark" if dark else "light"
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": value}],
        )

    def set_size(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def wait_for(self, script: str, *, timeout_s: float = 60) -> Any:
        """Return the first true value of an expression."""
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            if value := self.run(script):
                return value
            time.sleep(0.1)
        raise AssertionError(f"the page never showed {script}; errors: {self.errors}")

    def go_offline(self, *, offline: bool) -> None:
        self.call(
            "Network.emulateNetworkConditions",
            offline=offline, latency=0, downloadThroughput=-1, uploadThroughput=-1,
        )  # fmt: skip

    def screenshot(self, path: Path, *, width: int = 1400, height: int = 900) -> None:
        self.set_size(width, height)
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))


@contextmanager
def open_page() -> Iterator[Page]:
    """Open a tab without cookies or stored data of others; close it afterwards."""
    with (
        open_tab(browser_of_run()) as address,
        connect(address, max_size=None, max_queue=None, ping_interval=None) as connection,
    ):
        yield Page(connection)

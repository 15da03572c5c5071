"""A robot that subscribes by VTP and by webhook, and comes back whenever it is cut off."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.vtp import VtpClient, acknowledge, transport

__all__ = ["NAME", "Robot", "robot_at"]

NAME = "ivo://test/robot"


@dataclass
class Robot:
    """What it was sent, in the order of arrival; it acknowledges everything."""

    posted: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    n_connections: int = 0
    webhook_port: int = 0
    is_done: bool = False

    def settings(self, folder: Path) -> dict[str, str]:
        """Return the settings of a distribute service that knows its webhook."""
        path = folder / "site.toml"
        path.write_text(
            '[[distribute.webhooks]]\nname = "robot"\nallow_private = true\n'
            f'url = "http://127.0.0.1:{self.webhook_port}/"\n'
        )
        return {"LIVETRAP_CONFIG": str(path)}

    def has(self, ivorn: str) -> bool:
        """Return whether an alert has reached it on both ways."""
        return ivorn in self.heard and ivorn in self.posted

    async def subscribe(
        self, port: int, find_host: Callable[[], str] = lambda: "127.0.0.1"
    ) -> None:
        while not self.is_done:
            with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                host = await asyncio.to_thread(find_host)
                client = await VtpClient.connect(port, host=host)
                self.n_connections += 1
                await client.send(transport("authenticate", response=NAME))
                await self._listen(client)
            await asyncio.sleep(0.05)

    async def _listen(self, client: VtpClient) -> None:
        try:
            while not self.is_done:
                with suppress(TimeoutError):
                    (ivorn,) = await client.receive_events(1, timeout_s=0.5)
                    self.heard.append(ivorn)
                    await client.send(acknowledge(ivorn, response=NAME))
        finally:
            await client.aclose()


@contextmanager
def robot_at(vtp_port: int) -> Iterator[Robot]:
    """Run a robot."""
    robot = Robot()

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            robot.posted.append(self.headers["X-LiveTrap-Ivorn"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    robot.webhook_port = server.server_port
    threads = [
        threading.Thread(target=server.serve_forever),
        threading.Thread(target=lambda: asyncio.run(robot.subscribe(vtp_port))),
    ]
    for thread in threads:
        thread.start()
    try:
        yield robot
    finally:
        robot.is_done = True
        server.shutdown()
        server.server_close()
        for thread in threads:
            thread.join(10)

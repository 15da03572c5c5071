"""SIGKILL at every step of the alert service: nothing lost, nothing twice, on any channel."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.integration.alert.test_service import assert_each_once, assert_stops, events, ivorns
from tests.support.dying_alert import STEPS
from tests.support.vtp import VtpClient, acknowledge, transport
from tests.support.vtp_service import AlertSite, alert_site, wait_until

pytestmark = pytest.mark.timeout(400)

N_EVENTS = 8


@pytest.fixture
def site(kafka_bootstrap: str, postgres_url: str, tmp_path: Path) -> Iterator[AlertSite]:
    with alert_site(kafka_bootstrap, postgres_url, tmp_path) as made:
        yield made


@dataclass
class Robot:
    """A webhook, and a VTP subscriber that comes back whenever it is cut off."""

    posted: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    is_done: bool = False

    async def subscribe(self, port: int) -> None:
        while not self.is_done:
            with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                client = await VtpClient.connect(port)
                await client.say(transport("authenticate", response="ivo://test/robot"))
                await self._listen(client)
            await asyncio.sleep(0.05)

    async def _listen(self, client: VtpClient) -> None:
        try:
            while not self.is_done:
                with suppress(TimeoutError):
                    (ivorn,) = await client.hear_events(1, timeout_s=0.5)
                    self.heard.append(ivorn)
                    await client.say(acknowledge(ivorn))
        finally:
            await client.aclose()


@contextmanager
def robot_at(vtp_port: int) -> Iterator[tuple[Robot, int]]:
    """Run a robot; give it, and the port of its webhook."""
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
    threads = [
        threading.Thread(target=server.serve_forever),
        threading.Thread(target=lambda: asyncio.run(robot.subscribe(vtp_port))),
    ]
    for thread in threads:
        thread.start()
    try:
        yield robot, server.server_port
    finally:
        robot.is_done = True
        server.shutdown()
        server.server_close()
        for thread in threads:
            thread.join(10)


def test_sigkill_at_every_step(site: AlertSite, tmp_path: Path) -> None:
    with robot_at(site.vtp_port) as (robot, webhook_port):
        config = tmp_path / "site.toml"
        config.write_text(
            f'[[alert.webhooks]]\nname = "robot"\nurl = "http://127.0.0.1:{webhook_port}/"\n'
            "allow_private = true\n"
        )
        settings = {"LIVETRAP_CONFIG": str(config), "LIVETRAP_KAFKA__INSTANCE_ID": "alert"}
        # The robot is known from here on: what it misses later is kept for it.
        service = site.start_and_wait(**settings)
        wait_until(lambda: len(site.fetch("select 1 from subscriber")) == 2, what="the robot")
        service.kill()

        for number, step in enumerate(STEPS):
            made = events(N_EVENTS * number, N_EVENTS * (number + 1))
            site.publish([made[0], b"garbage %d" % number, *made[1:]])
            dying = site.start(dying=step, **settings)
            assert dying.process.wait(60) == -9, (step, dying.log.read_text())

        service = site.start_and_wait(**settings)
        expected = ivorns(events(0, N_EVENTS * len(STEPS)))
        assert_each_once(site, expected)
        wait_until(lambda: set(robot.posted) == set(expected), what="every alert at the webhook")
        wait_until(lambda: set(robot.heard) == set(expected), what="every alert over VTP")
        # What was not acknowledged in the book when the process died came again; now all is.
        acknowledged = "select 1 from delivery where time_acknowledged is not null"
        wait_until(
            lambda: len(site.fetch(acknowledged)) == 3 * len(expected), what="the book's last line"
        )
        told = len(robot.posted), len(robot.heard)
        service.kill()
        service = site.start_and_wait(**settings)
        time.sleep(2)
        assert (len(robot.posted), len(robot.heard)) == told
        assert max(Counter(robot.posted).values()) <= 2
        dead_letters = {value for _, value, _ in site.read(site.topics.dead_letters)}
        assert dead_letters == {b"garbage %d" % number for number in range(len(STEPS))}
        assert_stops(service)

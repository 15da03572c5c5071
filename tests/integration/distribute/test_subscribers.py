"""Subscribers that others wrote: Comet and pygcn."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.settings import VtpSettings
from services.distribute.handlers.vtp import VtpServer
from tests.support.clients import pygcn_listener
from tests.support.comet import comet_subscriber
from tests.support.vtp import ivorn_of
from tests.support.vtp_events import alert_packet
from tests.support.vtp_log import memory_log
from tests.support.vtp_service import wait_until

IAMALIVE_S = 1.0


class ServerThread:
    """The VTP server in a loop of its own, so that the test may block."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(60)

    def _run(self) -> None:
        import asyncio

        asyncio.run(self._serve())

    async def _serve(self) -> None:
        import asyncio

        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.server = VtpServer(
            VtpSettings(port=0, iamalive_s=IAMALIVE_S), "org.test", log=memory_log()
        )
        await self.server.start()
        self._ready.set()
        await self._stop.wait()
        await self.server.aclose()

    def broadcast(self, packet: bytes) -> None:
        self._loop.call_soon_threadsafe(self.server.broadcast, ivorn_of(packet), packet)

    def has_filters(self) -> bool:
        return any(each._filters for each in list(self.server._subscribers))

    def wait_for_answers(self) -> None:
        """Wait until its subscriber has answered when silence would have ended the connection."""
        after_s = self._loop.time() + 3 * IAMALIVE_S
        wait_until(
            lambda: any(each._last_message_s > after_s for each in list(self.server._subscribers)),
            what="answers to heartbeats",
        )

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)


@pytest.fixture
def vtp() -> Iterator[ServerThread]:
    server = ServerThread()
    yield server
    server.stop()


def packets(n: int, **changes: object) -> list[bytes]:
    return [alert_packet(number, **changes) for number in range(n)]


def test_comet_receives_every_alert_and_finds_it_valid(vtp: ServerThread, tmp_path: Path) -> None:
    sent = packets(20)
    expected = sorted(ivorn_of(each) for each in sent)
    with comet_subscriber(vtp.server.port, tmp_path) as comet:
        vtp.wait_for_answers()
        for each in sent:
            vtp.broadcast(each)
        wait_until(lambda: sorted(comet.ivorns()) == expected, what="alerts")
        assert vtp.server.n_subscribers == 1


def test_comet_sets_a_filter(vtp: ServerThread, tmp_path: Path) -> None:
    weak, strong = packets(1, snr=10.0)[0], packets(2, snr=60.0)[1]
    wanted = "//Param[@name='snr' and @value>50]"
    with comet_subscriber(vtp.server.port, tmp_path, xpath_filter=wanted) as comet:
        wait_until(vtp.has_filters, what="the filter")
        vtp.broadcast(weak)
        vtp.broadcast(strong)
        wait_until(comet.ivorns, what="the strong one")
        assert comet.ivorns() == [ivorn_of(strong)]


@pytest.fixture
def pygcn(vtp: ServerThread, tmp_path: Path) -> Iterator[Callable[[], list[str]]]:
    with pygcn_listener(vtp.server.port, tmp_path) as heard:
        yield heard


def test_pygcn_receives_every_alert(vtp: ServerThread, pygcn: Callable[[], list[str]]) -> None:
    sent = packets(20)
    wait_until(lambda: vtp.server.n_subscribers == 1, what="pygcn")
    vtp.wait_for_answers()
    for each in sent:
        vtp.broadcast(each)
    expected = [ivorn_of(each) for each in sent]
    wait_until(lambda: pygcn() == expected, what="alerts")
    assert vtp.server.n_subscribers == 1

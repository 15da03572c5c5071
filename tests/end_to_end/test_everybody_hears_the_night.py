"""A simulated night, and every program that observatories run: each alert once, valid, to all."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.end_to_end.test_image_to_alert import ivorns_on_kafka, settled
from tests.support.clients import listen_by_gcn_kafka, listen_by_hop, pygcn_listener
from tests.support.comet import comet_broker, comet_subscriber
from tests.support.night import run, running_stack, wait_for
from tests.support.voevent import read_packet

pytestmark = pytest.mark.timeout(600)

TIMESTEPS = 20
BANDS = 2


@contextmanager
def webhook() -> Iterator[tuple[int, list[bytes]]]:
    """Run a webhook's server; give its port and what it is sent."""
    bodies: list[bytes] = []

    class Robot(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Robot)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, bodies
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def has_all(heard: Callable[[], list[str]], ivorns: Counter[str]) -> Callable[[], bool]:
    return lambda: Counter(heard()) == ivorns


def test_every_client_has_every_alert_once(tmp_path: Path) -> None:
    night = tmp_path / "night"
    run(
        "simulate", str(night), "--images", str(TIMESTEPS), "--size", "256",
        "--bands", str(BANDS), "--seed", "11", "--transients", "6",
    )  # fmt: skip
    with comet_broker(tmp_path / "broker") as upstream, webhook() as (port, bodies):
        config = tmp_path / "site.toml"
        config.write_text(
            f'[[distribute.brokers]]\nname = "upstream"\nhost = "127.0.0.1"\n'
            f"port = {upstream.submit_port}\n"
            f'[[distribute.webhooks]]\nname = "robot"\nurl = "http://127.0.0.1:{port}/"\n'
            "allow_private = true\n"
        )
        with (
            running_stack(LIVETRAP_CONFIG=str(config)) as stack,
            comet_subscriber(stack.status["vtp_port"], tmp_path / "subscriber") as comet,
            pygcn_listener(stack.status["vtp_port"], tmp_path) as heard_by_pygcn,
        ):
            run("ingest", str(night), "--stream", "night", "--data-dir", str(stack.data_dir))
            wait_for(
                lambda: stack.outcomes().get("processed") == TIMESTEPS * BANDS,
                what="all images processed",
            )
            alerts = wait_for(lambda: settled(stack, 4), what="alerts", every_s=2)
            ivorns = Counter(alert["ivorn"] for alert in alerts)

            bootstrap, n = stack.status["kafka"], len(alerts)
            notices = listen_by_gcn_kafka(bootstrap, "gcn.notices.livetrap.radio_transient", n)
            assert Counter(json.loads(line)["ivorn"] for line in notices) == ivorns
            packets = listen_by_gcn_kafka(bootstrap, "alerts-voevent-v1", n)
            for packet in packets:
                read_packet(packet.encode())
            by_hop = listen_by_hop(bootstrap, "alerts-voevent-v1", n)
            assert Counter(ivorn for _, ivorn in by_hop) == ivorns
            assert Counter(ivorns_on_kafka(stack)) == ivorns

            wait_for(has_all(heard_by_pygcn, ivorns), what="alerts at pygcn")
            wait_for(has_all(comet.ivorns, ivorns), what="alerts at Comet, our subscriber")
            wait_for(has_all(upstream.ivorns, ivorns), what="alerts at Comet, a broker")
            wait_for(
                has_all(lambda: [json.loads(body)["ivorn"] for body in bodies], ivorns),
                what="alerts at the webhook",
            )
            for packet in (*comet.packets(), *upstream.packets()):
                read_packet(packet)

            # An operator tries the channels: everybody who says so has the test alert.
            tried = json.loads(
                run("alerts", "test", "--json", "--wait", "4", "--data-dir", str(stack.data_dir))
            )
            has_it = {row["channel"] for row in tried if row["time_acknowledged"]}
            assert has_it == {"kafka", "vtp", "webhook", "broker"}
            assert json.loads(bodies[-1])["alert_tense"] == "test"

"""FITS files in, valid VOEvents about what was really in them out, each once, at every client."""

import io
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from astropy.io.votable import parse_single_table

from tests.support.browser import CHROMIUM, open_page
from tests.support.clients import listen_by_gcn_kafka, listen_by_hop, pygcn_listener
from tests.support.comet import CometBroker, CometSubscriber, comet_broker, comet_subscriber
from tests.support.fits_images import make, pixels, several_images
from tests.support.follow_up_observer import Answers, answer_from_notice, answer_from_packet
from tests.support.night import (
    LONG_WAIT,
    RunServers,
    Stack,
    dead_letters,
    ivorns_of,
    publish,
    published,
    read_truth,
    run_forked,
    separation_arcsec,
    wait_for,
)
from tests.support.page_reader import assert_source_shown, read_pages
from tests.support.voevent import read_packet

pytestmark = pytest.mark.timeout(1200)

TIMESTEPS = 30
BANDS = 4
CONTACT = "on.call@example.org"


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


@dataclass(frozen=True)
class Night:
    """A simulated night that is over, and who received its alerts."""

    truth: list[dict[str, str]]
    stack: Stack
    transients: list[dict[str, Any]]
    alerts: list[dict[str, Any]]
    comet: CometSubscriber
    upstream: CometBroker
    pygcn: Callable[[], list[str]]
    webhook: list[bytes]


@contextmanager
def subscribed_stack(
    servers: RunServers, folder: Path, upstream: CometBroker, webhook_port: int
) -> Iterator[tuple[Stack, CometSubscriber, Callable[[], list[str]]]]:
    """Start the services with a broker and a webhook, Comet and pygcn as their subscribers."""
    config = folder / "site.toml"
    config.write_text(
        f'[[distribute.brokers]]\nname = "upstream"\nhost = "127.0.0.1"\n'
        f"port = {upstream.submit_port}\n"
        f'[[distribute.webhooks]]\nname = "robot"\nurl = "http://127.0.0.1:{webhook_port}/"\n'
        "allow_private = true\n"
        f'[alert]\ncontact_email = "{CONTACT}"\n'
    )
    with (
        servers.stack(LIVETRAP_CONFIG=str(config), **LONG_WAIT) as stack,
        comet_subscriber(stack.status["vtp_port"], folder / "subscriber") as comet,
        pygcn_listener(stack.status["vtp_port"], folder) as pygcn,
    ):
        yield stack, comet, pygcn


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, servers: RunServers) -> Iterator[Night]:
    folder = tmp_path_factory.mktemp("night")
    images = folder / "images"
    run_forked(
        "simulate", str(images), "--images", str(TIMESTEPS), "--size", "512",
        "--bands", str(BANDS), "--seed", "20261123", "--transients", "4",
    )  # fmt: skip
    with (
        comet_broker(folder / "broker") as upstream,
        webhook() as (port, bodies),
        subscribed_stack(servers, folder, upstream, port) as (stack, comet, pygcn),
    ):
        run_forked("ingest", str(images), "--stream", "night", "--data-dir", str(stack.data_dir))
        wait_for(
            lambda: stack.outcomes().get("processed") == TIMESTEPS * BANDS,
            what="all images processed",
        )
        stack.wait_until_decided()
        transients = stack.get("transients", limit=200)["items"]
        alerts = wait_for(lambda: published(stack, len(transients)), what="alerts")
        truth = read_truth(images / "truth.csv")
        yield Night(truth, stack, transients, alerts, comet, upstream, pygcn, bodies)


def is_transient(row: dict[str, str]) -> bool:
    return row["kind"] in ("fast_transient", "slow_transient")


def test_every_transient_is_alerted_once(night: Night) -> None:
    first = [alert for alert in night.alerts if alert["alert_type"] == "initial"]
    assert len(first) == len(night.transients)
    assert {alert["alert_type"] for alert in night.alerts} <= {"initial", "update"}
    initial = [alert for alert in first if alert["kind"] == "new_source"]

    expected = [row for row in night.truth if is_transient(row)]
    assert len(expected) >= 3
    for row in expected:
        near = [
            alert
            for alert in initial
            if separation_arcsec(float(row["ra"]), float(row["dec"]), alert["ra"], alert["dec"])
            < 30
        ]
        assert len(near) == 1, (row, initial)
    assert len(initial) <= len(expected) + 1


def test_the_api_has_every_packet_and_every_point(night: Night) -> None:
    for alert in night.alerts:
        packet = httpx.get(
            f"{night.stack.api}/alerts/{alert['id']}", headers={"Accept": "application/xml"}
        )
        assert packet.headers["content-type"].startswith("application/xml")
        read_packet(packet.content)
    first = night.stack.get("sources", limit=1)["items"][0]
    points = night.stack.get(f"sources/{first['id']}/lightcurve")["points"]
    assert len(points) == first["n_datapoints"]
    wait_for(
        lambda: len(night.stack.get("sources", sort="eta", limit=5)["items"]) == 5,
        what="the copy of the statistics",
    )


def test_transients_of_the_truth_vary_more_than_what_is_steady(night: Night) -> None:
    sources = night.stack.get("sources", limit=500)
    assert sources["next"] is None
    found: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for row in night.truth:
        if not (is_transient(row) or row["kind"] == "steady"):
            continue
        ra, dec = float(row["ra"]), float(row["dec"])
        distances = [separation_arcsec(ra, dec, at["ra"], at["dec"]) for at in sources["items"]]
        nearest = min(range(len(distances)), key=distances.__getitem__)
        if distances[nearest] < 30:
            of = sources["items"][nearest]
            found[is_transient(row)].append((of["eta"], of["v"]))
    assert len(found[True]) >= 3
    assert len(found[False]) >= 10
    for number in (0, 1):
        steady = max(each[number] for each in found[False])
        assert min(each[number] for each in found[True]) > steady, ("eta", "v")[number]


def test_rest_tap_and_cone_search_say_the_same_of_a_place(night: Night) -> None:
    vo = night.stack.api.removesuffix("/api/v1") + "/vo"
    for row, radius_deg in zip(night.truth[:4], (0.02, 0.1, 0.5, 3.0), strict=True):
        ra, dec = float(row["ra"]), float(row["dec"])
        by_rest = night.stack.get("sources", ra=ra, dec=dec, radius_deg=radius_deg, limit=500)
        adql = (
            "select id, ra, dec, eta, v from source where 1 = contains("  # noqa: S608  (numbers)
            f"point('ICRS', ra, dec), circle('ICRS', {ra!r}, {dec!r}, {radius_deg!r}))"
        )
        by_tap = table_of(f"{vo}/tap/sync", LANG="ADQL", QUERY=adql)
        by_cone = table_of(f"{vo}/scs", RA=repr(ra), DEC=repr(dec), SR=repr(radius_deg))
        expected = {each["id"]: each for each in by_rest["items"]}
        assert expected
        for table in (by_tap, by_cone):
            assert set(table) == set(expected)
            for number, values in table.items():
                said = {name: expected[number][name] for name in ("ra", "dec", "eta", "v")}
                assert values == {
                    name: None if each is None else pytest.approx(each, rel=1e-12)
                    for name, each in said.items()
                }


def table_of(address: str, **asked: str) -> dict[int, dict[str, float | None]]:
    """Return the rows of a VOTable by the number of their source."""
    answer = httpx.get(address, params=asked, timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text
    array = parse_single_table(io.BytesIO(answer.content)).array
    columns = {name: array[name].tolist() for name in ("ra", "dec", "eta", "v")}  # None: masked
    return {
        number: {name: values[at] for name, values in columns.items()}
        for at, number in enumerate(array["id"].tolist())
    }


def find_nearest(truth: list[dict[str, str]], answers: Answers) -> tuple[float, dict[str, str]]:
    """Return the row of the truth that is nearest to a packet's position, and how far [deg]."""
    distances_deg = [
        separation_arcsec(float(row["ra"]), float(row["dec"]), answers.ra, answers.dec) / 3600
        for row in truth
    ]
    nearest = min(range(len(truth)), key=distances_deg.__getitem__)
    return distances_deg[nearest], truth[nearest]


def assert_agree(packet: Answers, notice: Answers) -> None:
    """Compare what a packet says, which has nine digits of each number, with its notice."""
    for name, said in asdict(notice).items():
        expected = pytest.approx(said, rel=1e-8) if isinstance(said, float) else said
        assert getattr(packet, name) == expected, name


def test_an_observer_with_a_packet_alone_finds_what_the_truth_says(night: Night) -> None:
    exposures = {row["time_start_first"][:19] for row in night.truth}
    for alert in night.alerts:
        packet, notice = (
            httpx.get(f"{night.stack.api}/alerts/{alert['id']}", headers={"Accept": kind}).content
            for kind in ("application/xml", "application/json")
        )
        answers = answer_from_packet(packet)
        assert_agree(answers, answer_from_notice(notice))
        # Where to point, with what field: one thing of the truth is there.
        distance_deg, row = find_nearest(night.truth, answers)
        assert distance_deg < 3 * answers.field_deg
        # Brighter or fainter: what begins in the night is brighter than before.
        if alert["kind"] == "new_source":
            assert is_transient(row)
            assert answers.change == "brighter"
        assert answers.previous is not None
        is_brighter = answers.flux_jy_beam > answers.previous
        assert answers.change == ("brighter" if is_brighter else "fainter")
        assert answers.n_bands == BANDS
        # How old.
        assert min(exposures) <= answers.observed.isoformat()
        assert answers.age_s > 0
        # How sure, and whom to ask.
        assert answers.snr > 0
        assert answers.false_alarms_per_day is not None
        assert answers.false_alarms_per_day > 0
        assert 0 < answers.importance <= 1
        assert answers.contact == CONTACT


@pytest.mark.skipif(CHROMIUM is None, reason="NO BROWSER: install chromium")
def test_the_page_shows_the_transients_of_the_truth_with_the_numbers_of_rest(night: Night) -> None:
    with open_page() as page:
        for row in filter(is_transient, night.truth):
            place = (float(row["ra"]), float(row["dec"]))
            near = [
                each
                for each in night.transients
                if separation_arcsec(*place, each["ra"], each["dec"]) < 30
            ]
            assert near, row
            assert_source_shown(night.stack, page, near[0])
        assert page.errors == []


@pytest.mark.skipif(CHROMIUM is None, reason="NO BROWSER: install chromium")
def test_every_page_says_what_happened_in_the_night(night: Night) -> None:
    stack = night.stack
    varying = {
        source["id"]
        for row in filter(is_transient, night.truth)
        for source in stack.get(
            "sources", ra=row["ra"], dec=row["dec"], radius_deg=0.008, stream="night"
        )["items"]
    }
    wait_for(
        lambda: (
            varying
            <= {each["id"] for each in stack.get("sources", sort="eta", limit=500)["items"]}
        ),
        what="the copy of the statistics",
    )
    with open_page() as page:
        said = read_pages(page, stack.status["api_url"], "night")
        assert page.errors == []
    assert said.transients == {each["id"] for each in night.transients}
    assert said.alerts == Counter(alert["id"] for alert in night.alerts)
    assert said.n_sources == len(stack.get("sources", limit=500, stream="night")["items"])
    assert varying <= said.beyond_the_cut
    assert said.completeness == [f"{TIMESTEPS} / {TIMESTEPS}"] * BANDS
    assert said.fields.startswith(f"{said.n_sources} sources, ")
    assert said.stream[:3] == ["night", f"{TIMESTEPS * BANDS}", f"{TIMESTEPS * BANDS}"]
    newest = stack.get("images", limit=100, stream="night")["items"]
    assert said.images == [each["id"] for each in newest]
    assert said.measured == (newest[0]["n_sources"], newest[0]["n_sources"])
    assert said.n_arrived == stack.get("ledger")["total"]
    assert said.down == "Nothing is known to be broken."


def test_every_client_has_every_alert_once(night: Night) -> None:
    stack, n = night.stack, len(night.alerts)
    bootstrap, ivorns = stack.status["kafka"], Counter(ivorns_of(night.alerts))
    notices = listen_by_gcn_kafka(bootstrap, stack.topics.alerts_gcn, n)
    assert Counter(json.loads(line)["ivorn"] for line in notices) == ivorns
    for packet in listen_by_gcn_kafka(bootstrap, stack.topics.alerts_voevent, n):
        read_packet(packet.encode())
    by_hop = listen_by_hop(bootstrap, stack.topics.alerts_voevent, n)
    assert Counter(ivorn for _, ivorn in by_hop) == ivorns

    def has_all(heard: Callable[[], list[str]]) -> Callable[[], bool]:
        return lambda: Counter(heard()) == Counter(ivorns_of(stack.alerts()))

    wait_for(has_all(night.pygcn), what="alerts at pygcn")
    wait_for(has_all(night.comet.ivorns), what="alerts at Comet, our subscriber")
    wait_for(has_all(night.upstream.ivorns), what="alerts at Comet, a broker")
    wait_for(
        has_all(lambda: [json.loads(body)["ivorn"] for body in night.webhook]),
        what="alerts at the webhook",
    )
    for packet in (*night.comet.packets(), *night.upstream.packets()):
        read_packet(packet)

    # An operator tries the channels: everybody who says so has the test alert.
    tried = json.loads(
        run_forked("alerts", "test", "--json", "--wait", "4", "--data-dir", str(stack.data_dir))
    )
    has_it = {row["channel"] for row in tried if row["time_acknowledged"]}
    assert has_it == {"kafka", "vtp", "webhook", "broker"}
    assert json.loads(night.webhook[-1])["alert_tense"] == "test"


def test_a_cube_becomes_an_image_a_plane(night: Night) -> None:
    axis = {"CTYPE3": "FREQ", "CRVAL3": 1.4e9, "CRPIX3": 1.0, "CDELT3": 1e8, "CUNIT3": "Hz"}
    cube = make(pixels(shape=(3, 64, 64)), drop=("RESTFRQ",), **axis)
    stack = night.stack
    publish(stack, stack.topics.images, [cube], stream="cube")
    wait_for(lambda: stack.n_in_ledger("cube") == 4, what="the cube and its planes in the ledger")
    assert stack.outcomes("cube") == {"processed": 3, "rejected": 1}
    assert stack.get("ledger")["reasons"] == {"split_into_planes": 1}
    assert dead_letters(stack) == []


def test_a_file_with_several_images_becomes_an_image_each(night: Night) -> None:
    stack = night.stack
    publish(stack, stack.topics.images, [several_images()], stream="several")
    wait_for(lambda: stack.n_in_ledger("several") == 3, what="the file and its images")
    assert stack.outcomes("several") == {"processed": 2, "rejected": 1}
    images = stack.get("images", stream="several")["items"]
    (text,) = [image["reason_text"] for image in images if image["verdict"] == "rejected"]
    assert text == (
        "2 planes were sent as images of their own; passed over: SPECTRUM, BAND1_RMS, AGAIN"
    )
    bands = {image["freq_eff_hz"] for image in images if image["verdict"] == "accepted"}
    assert bands == {1.4e9, 1.5e9}

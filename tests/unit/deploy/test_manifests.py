"""Manifests, rules and image against what the software says; no cluster is needed."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from livetrap.stack.kafka_broker import KafkaBroker
from runtime.advisory_lock import FENCE_S
from runtime.kafka import MAX_MESSAGE_BYTES, fence_config
from runtime.kafka.admin import _new_topic
from runtime.settings import KafkaSettings, load_settings
from schemas.topics import Topics

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
K8S = DEPLOY / "k8s"
Manifest = dict[str, Any]


def objects(*folders: str) -> Iterator[tuple[str, Manifest]]:
    for folder in folders:
        for path in sorted((K8S / folder).rglob("*.yaml")):
            for each in yaml.safe_load_all(path.read_text()):
                yield f"{path.relative_to(K8S)}:{each['kind']}", each


def pods(*folders: str) -> list[tuple[str, Manifest]]:
    return [
        (f"{name}:{each['metadata']['name']}", each["spec"]["template"]["spec"])
        for name, each in objects(*folders)
        if each["kind"] in {"Deployment", "StatefulSet", "Job"}
    ]


OURS = pods("base")


@pytest.mark.parametrize(("name", "pod"), OURS, ids=[name for name, _ in OURS])
def test_a_pod_may_do_nothing_that_it_need_not(name: str, pod: Manifest) -> None:
    assert pod["enableServiceLinks"] is False
    assert pod["automountServiceAccountToken"] is False
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == 65532
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    assert limits == {"memory": requests["memory"]}  # no limit of CPU
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert mounts.pop("tmp") == "/tmp"  # noqa: S108  (of the pod)
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert "sizeLimit" in volumes.pop("tmp")["emptyDir"]
    assert volumes.keys() == mounts.keys()
    assert mounts == ({"inbox": "/inbox"} if container["name"] == "ingest" else {})


def test_every_service_runs_with_its_probes() -> None:
    services = {
        pod["containers"][0]["args"][1]: pod["containers"][0]
        for _, pod in OURS
        if pod["containers"][0]["args"][0] == "service"
    }
    names = {"ingest", "extract", "associate", "alert", "distribute", "archive", "api"}
    assert services.keys() == names
    for service, container in services.items():
        ports = {each["name"]: each["containerPort"] for each in container["ports"]}
        assert ("http" if service == "api" else "metrics") in ports
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert container["readinessProbe"]["httpGet"]["port"] in ports
        # Two dependencies are asked for 2 s each.
        assert container["readinessProbe"]["timeoutSeconds"] >= 5


def test_a_pod_watches_the_inbox_where_there_is_one() -> None:
    ingest = dict(objects("base"))["base/ingest.yaml:Deployment"]
    assert ingest["spec"]["replicas"] == 0
    assert ingest["spec"]["strategy"] == {"type": "Recreate"}  # two would send the same files
    pod = ingest["spec"]["template"]["spec"]
    [inbox] = [each for each in pod["volumes"] if each["name"] == "inbox"]
    component = yaml.safe_load((K8S / "components/inbox/kustomization.yaml").read_text())
    assert component["replicas"] == [{"name": "livetrap-ingest", "count": 1}]
    [(_, claim)] = [
        (name, each) for name, each in objects("components/inbox")
        if each["kind"] == "PersistentVolumeClaim"
    ]  # fmt: skip
    assert claim["metadata"]["name"] == inbox["persistentVolumeClaim"]["claimName"]
    settings = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
    mounts = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    assert settings["LIVETRAP_INGEST__INBOX"] == mounts["inbox"]


def test_the_archive_has_an_address_and_a_login_where_the_api_reads_it() -> None:
    archive = dict(objects("base"))["base/archive.yaml:Deployment"]
    assert archive["spec"]["replicas"] == 0
    path = K8S / "components/archive/kustomization.yaml"
    component = yaml.safe_load(path.read_text())
    assert component["replicas"] == [{"name": "livetrap-archive", "count": 1}]
    assert literals_of(path)["LIVETRAP_ARCHIVE__URL"].startswith("s3://")
    [patch] = component["patches"]
    [added] = yaml.safe_load(patch["patch"])
    patched = [name for name, _ in OURS if re.search(patch["target"]["name"], name)]
    assert [name.rpartition(":")[2] for name in patched] == ["livetrap-api", "livetrap-archive"]
    for name, pod in OURS:
        if name in patched:
            [container] = pod["containers"]
            assert isinstance(container["envFrom"], list)  # what is added comes behind
    assert added["value"] == {"secretRef": {"name": "livetrap-archive"}}
    [(_, policy)] = [each for each in objects("components/archive") if "NetworkPolicy" in each[0]]
    [who] = policy["spec"]["podSelector"]["matchExpressions"]
    assert who["values"] == ["archive", "api"]


def settings_of(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


def literals_of(path: Path) -> dict[str, str]:
    found = yaml.safe_load(path.read_text()).get("configMapGenerator", [])
    return dict(line.split("=", 1) for each in found for line in each.get("literals", []))


CUSTOMIZED = [*K8S.rglob("kustomization.yaml")]


@pytest.mark.parametrize("path", [*K8S.rglob("*.env"), *CUSTOMIZED], ids=str)
def test_every_setting_exists_and_has_a_value_that_it_takes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = settings_of(path) if path.suffix == ".env" else literals_of(path)
    if path.suffix == ".env":
        assert found
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    load_settings()


def test_the_topics_of_strimzi_are_those_of_the_software() -> None:
    made = {
        each["spec"]["topicName"]: each["spec"]
        for name, each in objects("components/strimzi")
        if name.endswith(":KafkaTopic")
    }
    literals = literals_of(K8S / "components/strimzi/kustomization.yaml")
    partitions = int(literals["LIVETRAP_KAFKA__PARTITIONS"])
    settings = KafkaSettings(partitions=partitions, replication_factor=3)
    topics = Topics()
    assert made.keys() == set(topics.all())
    assert made[topics.images]["partitions"] == partitions
    for name, spec in made.items():
        wanted = _new_topic(name, settings, topics)
        config = wanted.config or {}
        if name in topics.alerts():  # what the alert service would alter at its start
            config |= fence_config(FENCE_S)
        assert config == {key: str(value) for key, value in spec["config"].items()}, name
        assert spec["replicas"] == wanted.replication_factor


# What Kafka asks of who calls them; the manifests declare what would be altered.
RIGHTS = {
    "list_topics": "Describe",
    "describe_configs": "DescribeConfigs",
    "create_topics": "Create",
    "delete_topics": "Delete",
    "incremental_alter_configs": None,
}


def rights_on(topic: str, *, of: str) -> set[str]:
    [user] = [
        each for _, each in objects("components/strimzi")
        if each["kind"] == "KafkaUser" and each["metadata"]["name"] == of
    ]  # fmt: skip
    return {
        operation
        for rule in user["spec"]["authorization"]["acls"]
        if rule["resource"]["type"] == "topic" and covers(rule["resource"], topic)
        for operation in rule["operations"]
    }


def covers(resource: Manifest, name: str) -> bool:
    if resource["patternType"] == "prefix":
        return name.startswith(resource["name"])
    return resource["name"] in ("*", name)


def test_the_services_may_do_with_topics_what_they_do() -> None:
    source = (ROOT / "runtime/kafka/admin.py").read_text()
    called = set(re.findall(r"\badmin\.(\w+_\w+)\(", source))
    assert called == RIGHTS.keys()
    topics = Topics()
    needed = {right for right in RIGHTS.values() if right} | {"Read", "Write"}
    assert needed <= rights_on(topics.alerts_of("bright-north"), of="livetrap")
    for name in topics.all():
        assert needed - {"Delete"} <= rights_on(name, of="livetrap"), name


def test_readers_may_read_alerts_and_write_none() -> None:
    topics = Topics()
    for name in (*topics.alerts(), topics.alerts_of("bright-north"), topics.heartbeat):
        assert rights_on(name, of="observatory") == {"Read", "Describe"}
    assert rights_on(topics.images, of="observatory") == set()
    assert rights_on(topics.images, of="correlator") == {"Write", "Describe"}


def brokers() -> dict[str, Manifest]:
    """Return the properties of the brokers that come with LiveTrap, by where they stand."""
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["kafka"]
    laptop = dict(objects("overlays/laptop"))["overlays/laptop/kafka.yaml:StatefulSet"]
    [container] = laptop["spec"]["template"]["spec"]["containers"]
    strimzi = dict(objects("components/strimzi"))["components/strimzi/kafka.yaml:Kafka"]
    own = KafkaBroker(Path("kafka"), port=1, controller_port=2).properties_text()
    return {
        "compose": properties_of(compose["environment"]),
        "laptop": properties_of({each["name"]: each["value"] for each in container["env"]}),
        "strimzi": strimzi["spec"]["kafka"]["config"],
        "livetrap up": dict(
            line.split("=", 1) for line in own.splitlines() if not line.startswith("#")
        ),
    }


def properties_of(variables: Manifest) -> Manifest:
    """Return the properties that the image of Kafka makes of its variables."""
    return {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in variables.items()
    }


@pytest.mark.parametrize("place", brokers())
def test_a_broker_takes_our_largest_message_and_makes_no_topic_by_itself(place: str) -> None:
    properties = brokers()[place]
    assert int(properties["message.max.bytes"]) == MAX_MESSAGE_BYTES
    assert int(properties["replica.fetch.max.bytes"]) == MAX_MESSAGE_BYTES
    # A topic that a sender made would keep a week of images, in one partition.
    assert str(properties["auto.create.topics.enable"]).lower() == "false"


@pytest.mark.parametrize("path", [K8S / "base/settings.env", *K8S.rglob("values.env")], ids=str)
def test_no_setting_of_a_topic_differs_from_the_topics(path: Path) -> None:
    """The topics are declared for the defaults: what is set beside would only be warned of."""
    topic_settings = ("PARTITIONS", "REPLICATION_FACTOR", "RETENTION_HOURS", "RETENTION_BYTES")
    assert not {f"LIVETRAP_KAFKA__{each}" for each in topic_settings} & settings_of(path).keys()


def test_partitions_are_copied_to_every_topic_that_has_several() -> None:
    many = {
        each["spec"]["topicName"]
        for _, each in objects("components/strimzi")
        if each["kind"] == "KafkaTopic"
        and each["metadata"]["labels"]["livetrap.org/partitions"] == "many"
    }
    topics, settings = Topics(), KafkaSettings(partitions=8)
    several = {
        name for name in topics.all() if _new_topic(name, settings, topics).num_partitions == 8
    }
    assert many == several


def test_the_api_reads_from_the_standbys_of_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    path = K8S / "components/cloudnative-pg/kustomization.yaml"
    [patch] = yaml.safe_load(path.read_text())["patches"]
    values = {each["value"]["name"]: each["value"] for each in yaml.safe_load(patch["patch"])}
    *made_before, (name, variable) = values.items()
    # Kubernetes puts in what stands before in the list, and nothing else.
    assert set(re.findall(r"\$\((\w+)\)", variable["value"])) == {key for key, _ in made_before}
    clusters = dict(objects("components/cloudnative-pg"))
    cluster = clusters["components/cloudnative-pg/database.yaml:Cluster"]
    assert f"@{cluster['metadata']['name']}-ro:5432/" in variable["value"]
    monkeypatch.setenv(name, re.sub(r"\$\((\w+)\)", "x", variable["value"]))
    assert load_settings().postgres.read_url is not None


@pytest.mark.parametrize("path", [*K8S.glob("overlays/*/kustomization.yaml")], ids=str)
def test_an_overlay_behind_a_proxy_names_it(path: Path) -> None:
    """Else all clients share the address of the proxy, and the limits of one."""
    components = " ".join(yaml.safe_load(path.read_text()).get("components", []))
    if "ingress" in components or "gateway" in components:
        values = literals_of(path) | settings_of(path.parent / "values.env")
        assert json.loads(values["LIVETRAP_API__PROXIES"])


def metric_names() -> set[str]:
    source = "".join(
        path.read_text()
        for folder in ("services", "api", "runtime")
        for path in (ROOT / folder).rglob("metrics.py")
    )
    names = set(re.findall(r'"(livetrap_[a-z_]+)"', source))
    return names | {f"{name}_bucket" for name in names if name.endswith("_seconds")}


def expressions() -> Iterator[str]:
    for rule in yaml.safe_load((DEPLOY / "alert-rules.yaml").read_text())["groups"][0]["rules"]:
        yield rule["expr"]
    for path in (DEPLOY / "dashboards").glob("*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            yield from (target["expr"] for target in panel["targets"])


def test_rules_and_dashboards_name_metrics_that_exist() -> None:
    named = {name for text in expressions() for name in re.findall(r"\blivetrap_[a-z_]+\b", text)}
    assert len(named) > 8
    assert named <= metric_names()


def test_the_rules_of_the_operator_are_the_rules() -> None:
    plain = yaml.safe_load((DEPLOY / "alert-rules.yaml").read_text())
    rules = yaml.safe_load((K8S / "components/monitoring/rules.yaml").read_text())
    assert rules["spec"] == plain


def test_the_runbook_has_every_alert_rule() -> None:
    runbook = (ROOT / "docs/operations.md").read_text()
    [group] = yaml.safe_load((DEPLOY / "alert-rules.yaml").read_text())["groups"]
    assert all(f"| `{rule['alert']}`" in runbook for rule in group["rules"])


def test_compose_runs_every_service_with_settings_that_exist(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = compose["services"]
    ours = {name: each for name, each in services.items() if each.get("image", "").startswith("$")}
    assert ours.keys() >= {"migrate", "extract", "associate", "alert", "distribute", "api"}
    for each in ours.values():
        assert each["read_only"] is True
        for name, value in each["environment"].items():
            monkeypatch.setenv(name, str(value))
    load_settings()


def test_the_image_has_the_library_of_the_archive() -> None:
    text = (DEPLOY / "image/Containerfile").read_text()
    [program] = re.findall(r'python -c "(import tomllib.*)" > /tmp/requirements.txt', text)
    program = program.replace("/src/", f"{ROOT}/")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*pyproject["dependencies"], *pyproject["optional-dependencies"]["archive"]]
    assert done.stdout.decode().split("\n")[:-1] == wanted


def test_the_image_takes_what_the_wheel_is_made_of() -> None:
    kept = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    beside = {"LICENSE", "README.md", "constraints.txt", "pyproject.toml", "deploy/image/trim.py"}
    assert kept == set(wheel) | beside


def test_the_tests_that_prove_what_pods_need_exist() -> None:
    text = (ROOT / "docs/deployment.md").read_text().partition("## What proves it")[2]
    proofs = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", text)
    assert len(proofs) > 20
    for path, name in proofs:
        assert f"def {name}(" in (ROOT / path).read_text(), name

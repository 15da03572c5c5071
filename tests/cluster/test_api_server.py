"""A real API server accepts every object and refuses mistakes; its controllers make the pods."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.control_plane import ControlPlane, wait_for
from tests.cluster.inbox import describe_inbox_volume
from tests.cluster.nodes import FakeNodes

WORKLOADS = "deployments,statefulsets"


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane, definitions: tuple[list[Path], list[str]]) -> ControlPlane:
    for path in definitions[0]:
        control_plane.kubectl("apply", "--server-side", "-f", str(path))
    control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
    return control_plane


def defined(text: str, missing: list[str]) -> str:
    """Return the objects whose definitions are here."""
    objects = [
        each for each in yaml.safe_load_all(text)
        if each["apiVersion"].split("/")[0] not in missing
    ]  # fmt: skip
    return yaml.safe_dump_all(objects)


@pytest.fixture(scope="module")
def nodes(plane: ControlPlane) -> Iterator[None]:
    with FakeNodes(plane):
        yield


@pytest.fixture(scope="module", params=["laptop", "observatory", "everything"])
def applied(
    request: pytest.FixtureRequest,
    nodes: None,
    plane: ControlPlane,
    overlays: dict[str, str],
    definitions: tuple[list[Path], list[str]],
) -> Iterator[str]:
    """The text of an overlay that was accepted and applied; its namespace goes afterwards."""
    text = defined(overlays[request.param], definitions[1])
    namespaces = [each for each in yaml.safe_load_all(text) if each["kind"] == "Namespace"]
    plane.apply(yaml.safe_dump_all(namespaces))
    if "livetrap-inbox" in [each["metadata"]["name"] for each in yaml.safe_load_all(text)]:
        plane.apply(describe_inbox_volume(nfs={"server": "files.test", "path": "/inbox"}))
    dry = plane.apply(text, dry_run=True)
    assert "Warning" not in dry.stderr, dry.stderr
    plane.apply(text)
    yield text
    plane.kubectl("delete", "namespace", "livetrap", "--wait=false")
    wait_for(
        lambda: plane.kubectl("get", "namespace", "livetrap", check=False).returncode,
        what="the end of the namespace",
    )
    # A volume is of no namespace, and would be in the way of another test's.
    plane.kubectl("delete", "persistentvolume", "inbox", "--ignore-not-found")


def roll_out(plane: ControlPlane) -> list[str]:
    """Wait until every workload has all its pods ready; return their names."""
    names = plane.kubectl("get", WORKLOADS, "-n", "livetrap", "-o", "name").stdout.split()
    for each in names:
        done = plane.kubectl(
            "rollout", "status", each, "-n", "livetrap", "--timeout=90s", check=False
        )
        events = plane.kubectl("get", "events", "-n", "livetrap").stdout
        assert done.returncode == 0, f"{each}: {done.stdout}{done.stderr}{events}"
    return names


def test_every_object_exists(plane: ControlPlane, applied: str) -> None:
    wanted = list(yaml.safe_load_all(applied))
    got = plane.kubectl("get", "-f", "-", "-o", "name", text=applied).stdout.split()
    assert len(got) == len(wanted)


def test_the_pods_are_made_and_roll_out(plane: ControlPlane, applied: str) -> None:
    """Pod security, quota, limits and the scheduler let every pod be."""
    objects = list(yaml.safe_load_all(applied))
    jobs = [each for each in objects if each["kind"] == "Job"]
    plane.kubectl("wait", "--for=condition=complete", "job", "--all", "-n", "livetrap",
                  "--timeout=90s")  # fmt: skip
    wanted = {each["metadata"]["name"] for each in objects
              if each["kind"] in {"Deployment", "StatefulSet"}}  # fmt: skip
    assert jobs
    assert {each.split("/")[1] for each in roll_out(plane)} == wanted


def test_a_restart_of_every_workload_ends(plane: ControlPlane, applied: str) -> None:
    roll_out(plane)
    before = {each["metadata"]["uid"] for each in plane.get("pods", "-n", "livetrap")}
    plane.kubectl("rollout", "restart", "deployments", "-n", "livetrap")
    plane.kubectl("rollout", "restart", "statefulsets", "-n", "livetrap")
    roll_out(plane)
    pods = plane.get("pods", "-n", "livetrap", "--field-selector=status.phase=Running")
    staying = {
        each["metadata"]["uid"] for each in pods if "deletionTimestamp" not in each["metadata"]
    }
    assert staying
    assert before.isdisjoint(staying)


def evict(plane: ControlPlane, pod: str) -> str:
    """Ask for the eviction of a pod, as a drain of its node does; return why not, if not."""
    metadata = {"name": pod, "namespace": "livetrap"}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    path = f"/api/v1/namespaces/livetrap/pods/{pod}/eviction"
    done = plane.kubectl("create", "--raw", path, "-f", "-", text=json.dumps(body), check=False)
    return done.stderr if done.returncode else ""


def test_a_drain_leaves_all_but_one_pod_of_a_service(plane: ControlPlane, applied: str) -> None:
    """Evicted pods find no other node here, so the budget of each service is used up by one."""
    budgets = plane.get("poddisruptionbudgets", "-n", "livetrap")
    assert len(budgets) == applied.count("kind: PodDisruptionBudget")
    # KEDA scales extract, and does not run here; the autoscaler makes the second pod of the api.
    if budgets:
        plane.kubectl("scale", "statefulset/livetrap-extract", "-n", "livetrap", "--replicas=2")
    for each in budgets:
        wait_for(lambda budget=each: len(pods_of(plane, budget)) > 1, what="two pods")
    roll_out(plane)
    nodes = [each["metadata"]["name"] for each in plane.get("nodes")]
    plane.kubectl("cordon", *nodes)
    try:
        for each in budgets:
            wait_for(lambda budget=each: n_allowed(plane, budget) == 1, what="a full budget")
            first, second = pods_of(plane, each)[:2]
            assert evict(plane, first) == ""
            assert "disruption budget" in evict(plane, second)
    finally:
        plane.kubectl("uncordon", *nodes)
    roll_out(plane)


def pods_of(plane: ControlPlane, budget: dict[str, Any]) -> list[str]:
    labels = budget["spec"]["selector"]["matchLabels"]
    chosen = ",".join(f"{key}={value}" for key, value in labels.items())
    pods = plane.get("pods", "-n", "livetrap", "-l", chosen)
    return [
        each["metadata"]["name"] for each in pods
        if "deletionTimestamp" not in each["metadata"]
    ]  # fmt: skip


def n_allowed(plane: ControlPlane, budget: dict[str, Any]) -> int:
    name = budget["metadata"]["name"]
    [now] = [
        each for each in plane.get("pdb", "-n", "livetrap") if each["metadata"]["name"] == name
    ]
    return int(now["status"].get("disruptionsAllowed", 0))


@pytest.mark.parametrize(
    ("kind", "right", "wrong", "reason"),
    [
        ("Deployment", "readOnlyRootFilesystem", "readOnlyRootFileSystem", "not declared"),
        ("Service", "port: 8099", "port: 70000", "Invalid value: 70000"),
        ("KafkaTopic", "partitions: 16", "partitions: 0", "greater than or equal to 1"),
        ("ScaledObject", "maxReplicaCount: 16", 'maxReplicaCount: "sixteen"', "expected numeric"),
    ],
)
def test_a_mistake_is_refused(
    plane: ControlPlane, overlays: dict[str, str], kind: str, right: str, wrong: str, reason: str
) -> None:
    named = [
        yaml.safe_dump(each | {"metadata": {"name": "one", "namespace": "default"}})
        for each in yaml.safe_load_all(overlays["observatory"]) if each["kind"] == kind
    ]  # fmt: skip
    chosen = next(text for text in named if right in text)
    plane.apply(chosen, dry_run=True)
    bad = plane.apply(chosen.replace(right, wrong), dry_run=True, check=False)
    assert bad.returncode != 0
    assert reason in bad.stderr


def test_a_privileged_pod_is_refused(plane: ControlPlane, overlays: dict[str, str]) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": "restricted", "labels": labels}
    plane.apply(yaml.safe_dump({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
    account = ("get", "serviceaccount", "default", "-n", "restricted")
    wait_for(
        lambda: plane.kubectl(*account, check=False).returncode == 0,
        what="the account of the namespace",
    )
    deployment = next(
        each for each in yaml.safe_load_all(overlays["observatory"])
        if each["kind"] == "Deployment" and each["metadata"]["name"] == "livetrap-api"
    )  # fmt: skip
    spec = deployment["spec"]["template"]["spec"] | {"serviceAccountName": "default"}
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": spec,
           "metadata": {"name": "one", "namespace": "restricted"}}  # fmt: skip
    plane.apply(yaml.safe_dump(pod), dry_run=True)
    spec["containers"][0]["securityContext"] = {"privileged": True}
    bad = plane.apply(yaml.safe_dump(pod), dry_run=True, check=False)
    assert bad.returncode != 0
    assert "violates PodSecurity" in bad.stderr

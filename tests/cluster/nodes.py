"""Nodes without a kubelet: what the scheduler gives them is reported as running and ready."""

import threading
from datetime import UTC, datetime
from typing import Any, Self

import yaml

from tests.cluster.control_plane import ControlPlane

__all__ = ["FakeNodes"]

_INTERVAL_S = 0.5
_NAMES = ("node-0", "node-1", "node-2")
_ROOM = {"cpu": "16", "memory": "64Gi", "pods": "110", "ephemeral-storage": "200Gi"}


class FakeNodes:
    """Three nodes on three hosts; a context manager, and they go at its end.

    Scheduling, quota, rollouts and disruption budgets are real; containers are not.

    Parameters
    ----------
    plane : ControlPlane
        Where the nodes are made.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._error: Exception | None = None

    def __enter__(self) -> Self:
        for name in _NAMES:
            self._add_node(name)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        # A later pod would be given one of them, and wait for ever.
        self._plane.kubectl("delete", "node", *_NAMES)
        if self._error is not None:
            raise self._error

    def _add_node(self, name: str) -> None:
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
        self._plane.apply(yaml.safe_dump(node))
        ready = {"type": "Ready", "status": "True", "reason": "Fake", "message": ""}
        conditions = [ready | {"lastHeartbeatTime": _now(), "lastTransitionTime": _now()}]
        status = {"capacity": _ROOM, "allocatable": _ROOM, "conditions": conditions}
        self._plane.patch_status("node", name, status)

    def _run(self) -> None:
        try:
            while not self._stop.wait(_INTERVAL_S):
                for pod in self._plane.get("pods", "-A"):
                    self._update(pod)
        except Exception as error:  # noqa: BLE001  (raised where the block ends)
            self._error = error

    def _update(self, pod: dict[str, Any]) -> None:
        """Report a pod that was given a node as running; remove one that was deleted."""
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        if "deletionTimestamp" in pod["metadata"]:
            self._plane.kubectl(
                "delete", "pod", name, "-n", namespace, "--force", "--grace-period=0",
                "--ignore-not-found",
            )  # fmt: skip
        elif "nodeName" in pod["spec"] and pod["status"]["phase"] == "Pending":
            owners = pod["metadata"].get("ownerReferences", ())
            is_job = any(each["kind"] == "Job" for each in owners)
            self._plane.patch_status("pod", name, _status(is_job=is_job), "-n", namespace)


def _status(*, is_job: bool) -> dict[str, Any]:
    if is_job:
        return {"phase": "Succeeded"}
    made = {"status": "True", "lastTransitionTime": _now()}
    types = ("Initialized", "ContainersReady", "Ready", "PodScheduled")
    return {
        "phase": "Running",
        "startTime": _now(),
        "conditions": [{"type": each, **made} for each in types],
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

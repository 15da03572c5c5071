"""A control plane of Kubernetes on loopback: real admission, schemas and controllers; no node."""

import json
import os
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livetrap.stack.child import bind_to_parent
from livetrap.stack.ports import choose_port

__all__ = ["ControlPlane", "run_control_plane"]

_USERS = {
    "admin": ("admin", "system:masters"),
    "manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
}


@dataclass
class ControlPlane:
    """An API server, and `kubectl` as its administrator."""

    folder: Path
    port: int

    def kubectl(
        self, *arguments: str, text: str | None = None, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            ["kubectl", "--kubeconfig", str(self.folder / "admin.conf"), *arguments],
            input=text, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stderr
        return done

    def get(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the items of `kubectl get`."""
        items: list[dict[str, Any]] = json.loads(
            self.kubectl("get", *arguments, "--output", "json").stdout
        )["items"]
        return items


def wait_for(condition: Callable[[], Any], *, what: str, timeout_s: float = 120) -> Any:
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if found := condition():
            return found
        time.sleep(0.2)
    raise AssertionError(f"waited {timeout_s} s for {what}")


@contextmanager
def run_control_plane(binary: Path, folder: Path) -> Iterator[ControlPlane]:
    """Start it in a folder, wait until its controllers work, and stop it afterwards."""
    for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        (folder / name).symlink_to(binary)
    taken: set[int] = set()
    ports = [choose_port(None, taken=taken) for _ in range(5)]
    key = folder / "sa.key"
    subprocess.run(
        ["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True
    )
    (folder / "tokens.csv").write_text(
        "".join(
            f'{name}-token,{user},{name},"{group}"\n' for name, (user, group) in _USERS.items()
        )
    )
    plane = ControlPlane(folder, ports[2])
    with ExitStack() as stack:
        stack.enter_context(_running(folder, _etcd(folder, ports[0], ports[1])))
        stack.enter_context(_running(folder, _api_server(folder, ports[0], ports[2])))
        wait_for(lambda: _is_ready(ports[2]), what="the API server")
        for name in _USERS:
            _write_config(folder, name, ports[2])
        stack.enter_context(_running(folder, _manager(folder, ports[3])))
        stack.enter_context(_running(folder, _scheduler(folder, ports[4])))
        wait_for(
            lambda: plane.kubectl("get", "sa", "default", check=False).returncode == 0,
            what="the controllers",
        )
        yield plane


def _etcd(folder: Path, client: int, peer: int) -> list[str]:
    here, there = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    return [
        "etcd", f"--data-dir={folder}/data", f"--listen-client-urls={here}",
        f"--advertise-client-urls={here}", f"--listen-peer-urls={there}",
        f"--initial-advertise-peer-urls={there}", f"--initial-cluster=default={there}",
        "--unsafe-no-fsync", "--log-level=error",
    ]  # fmt: skip


def _api_server(folder: Path, etcd: int, port: int) -> list[str]:
    return [
        "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{etcd}", "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1", f"--secure-port={port}", f"--cert-dir={folder}/pki",
        "--service-cluster-ip-range=10.99.0.0/16", f"--service-account-key-file={folder}/sa.key",
        f"--service-account-signing-key-file={folder}/sa.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--token-auth-file={folder}/tokens.csv", "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction", "--endpoint-reconciler-type=none",
    ]  # fmt: skip


def _manager(folder: Path, port: int) -> list[str]:
    config = f"{folder}/manager.conf"
    return [
        "kube-controller-manager", f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}", f"--authorization-kubeconfig={config}",
        f"--service-account-private-key-file={folder}/sa.key",
        "--use-service-account-credentials", "--leader-elect=false", "--bind-address=127.0.0.1",
        f"--secure-port={port}", f"--cert-dir={folder}/pki-manager",
        f"--root-ca-file={folder}/pki/apiserver.crt",
    ]  # fmt: skip


def _scheduler(folder: Path, port: int) -> list[str]:
    return [
        "kube-scheduler", f"--kubeconfig={folder}/scheduler.conf", "--leader-elect=false",
        "--bind-address=127.0.0.1", f"--secure-port={port}", f"--cert-dir={folder}/pki-scheduler",
    ]  # fmt: skip


@contextmanager
def _running(folder: Path, command: Sequence[str]) -> Iterator[None]:
    program = [str(folder / command[0]), *command[1:]]
    with (folder / f"{command[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            bind_to_parent(program, death_signal=signal.SIGKILL), stdout=log, stderr=log,
            env=os.environ | {"HOME": str(folder)},
        )  # fmt: skip
    try:
        yield
        assert process.poll() is None, (folder / f"{command[0]}.log").read_text()[-2000:]
    finally:
        process.kill()
        process.wait()


def _is_ready(port: int) -> bool:
    request = urllib.request.Request(
        f"https://127.0.0.1:{port}/readyz", headers={"Authorization": "Bearer admin-token"}
    )
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # its own certificate, on loopback
    try:
        with urllib.request.urlopen(  # noqa: S310  (https, above)
            request, timeout=5, context=context
        ) as answer:
            return bool(answer.read() == b"ok")
    except (OSError, urllib.error.HTTPError):
        return False


def _write_config(folder: Path, name: str, port: int) -> None:
    cluster = {
        "server": f"https://127.0.0.1:{port}",
        "certificate-authority": f"{folder}/pki/apiserver.crt",
    }
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": f"{name}-token"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    (folder / f"{name}.conf").write_text(json.dumps(content))

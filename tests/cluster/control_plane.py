"""A control plane of Kubernetes on loopback: etcd, API server, controllers and scheduler."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from ssl import CERT_NONE, create_default_context
from typing import Any, cast

from livetrap.stack.ports import choose_port

__all__ = ["ControlPlane", "run_control_plane", "wait_for"]

_WAIT_S = 180.0
# Longer than any wait that kubectl is asked for.
_KUBECTL_S = 600.0
# Who may do what is decided by the names: masters may do everything.
_USERS = {
    "admin": "admin,admin,system:masters",
    "manager": "system:kube-controller-manager,manager,",
    "scheduler": "system:kube-scheduler,scheduler,",
    "node": "system:node:node,node,system:nodes",
}


def wait_for(is_true: Callable[[], object], *, what: str, wait_s: float = _WAIT_S) -> None:
    """Return once a condition is true.

    Raises
    ------
    AssertionError
        If it is not within `wait_s`.
    """
    end = time.monotonic() + wait_s
    while not is_true():
        assert time.monotonic() < end, f"{what} did not come within {wait_s:.0f} s"
        time.sleep(0.2)


class ControlPlane:
    """Asks the API server of a running control plane.

    Parameters
    ----------
    kubectl : str
        The program.
    folder : Path
        Holds the files that say how each user reaches the server.
    """

    def __init__(self, kubectl: str, folder: Path) -> None:
        self._kubectl = kubectl
        self._folder = folder

    def kubectl(
        self, *arguments: str, text: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator, with `text` as its input."""
        done = subprocess.run(
            [self._kubectl, "--kubeconfig", str(self._folder / "admin.conf"), *arguments],
            input=text, capture_output=True, text=True, check=False, timeout=_KUBECTL_S,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{arguments}: {done.stderr}"
        return done

    def access_of(self, user: str) -> Path:
        """Return the file that says how a user reaches the server."""
        return self._folder / f"{user}.conf"

    def apply(
        self, text: str, *, dry_run: bool = False, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Apply the objects of `text` at the server, or ask only whether it would take them."""
        options = ["--dry-run=server"] if dry_run else []
        return self.kubectl("apply", "--server-side", *options, "-f", "-", text=text, check=check)

    def get(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the objects of a kind."""
        answer = json.loads(self.kubectl("get", *arguments, "-o", "json").stdout)
        return cast("list[dict[str, Any]]", answer["items"])

    def patch_status(self, kind: str, name: str, status: object, *options: str) -> None:
        """Write the status of an object; one that is gone meanwhile is no error."""
        patch = json.dumps({"status": status})
        done = self.kubectl(
            "patch", kind, name, "--subresource=status", "--type=merge", "-p", patch, *options,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0 or "not found" in done.stderr, done.stderr


@contextmanager
def run_control_plane(binary: Path, kubectl: str, folder: Path) -> Iterator[ControlPlane]:
    """Run the programs until the block ends.

    Parameters
    ----------
    binary : Path
        All of them in one; see ``controlplane/main.go``.
    kubectl : str
        The program that asks them.
    folder : Path
        Empty; takes data, keys and logs.
    """
    taken: set[int] = set()
    peer, etcd, server, manager, scheduler = (choose_port(None, taken=taken) for _ in range(5))
    _make_keys(folder)
    with ExitStack() as stack:

        def start(program: str, *arguments: str) -> None:
            stack.enter_context(_running(binary, program, arguments, folder))

        start(
            "etcd", "--data-dir", str(folder / "data"), "--unsafe-no-fsync", "--log-level=error",
            f"--listen-client-urls=http://127.0.0.1:{etcd}",
            f"--advertise-client-urls=http://127.0.0.1:{etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
        )  # fmt: skip
        start(
            "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{etcd}",
            "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
            f"--secure-port={server}", "--cert-dir", str(folder),
            "--service-cluster-ip-range=10.99.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file", str(folder / "accounts.key"),
            "--service-account-signing-key-file", str(folder / "accounts.key"),
            "--token-auth-file", str(folder / "tokens.csv"), "--authorization-mode=Node,RBAC",
            # What a namespace allows is for Pod Security to say.
            "--endpoint-reconciler-type=none", "--allow-privileged=true",
            # A node of tests has a name that no resolver knows.
            "--kubelet-preferred-address-types=InternalIP",
        )  # fmt: skip
        wait_for(lambda: _is_ready(server), what="the API server")
        for user in _USERS:
            _write_access(folder, user, server)
        start(
            "kube-controller-manager", *_as_user(folder, "manager"), f"--secure-port={manager}",
            "--use-service-account-credentials",
            "--service-account-private-key-file", str(folder / "accounts.key"),
            "--root-ca-file", str(folder / "apiserver.crt"),
            # Nodes of tests send no heartbeats.
            "--node-monitor-grace-period=3600s",
        )  # fmt: skip
        start("kube-scheduler", *_as_user(folder, "scheduler"), f"--secure-port={scheduler}")
        plane = ControlPlane(kubectl, folder)
        wait_for(
            lambda: plane.kubectl("get", "serviceaccount", "default", check=False).returncode == 0,
            what="the controllers",
        )
        yield plane


def _as_user(folder: Path, user: str) -> list[str]:
    access = str(folder / f"{user}.conf")
    return [
        "--kubeconfig", access, "--authentication-kubeconfig", access,
        "--authorization-kubeconfig", access, "--leader-elect=false", "--bind-address=127.0.0.1",
    ]  # fmt: skip


@contextmanager
def _running(
    binary: Path, program: str, arguments: tuple[str, ...], folder: Path
) -> Iterator[None]:
    with (folder / f"{program}.log").open("wb") as log:
        process = subprocess.Popen(
            [program, *arguments], executable=binary, stdout=log, stderr=log, cwd=folder
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _make_keys(folder: Path) -> None:
    subprocess.run(
        ["openssl", "genrsa", "-out", str(folder / "accounts.key"), "2048"],
        check=True, capture_output=True,
    )  # fmt: skip
    lines = [f"{user}-token,{rest}" for user, rest in _USERS.items()]
    (folder / "tokens.csv").write_text("\n".join(lines) + "\n")


def _is_ready(port: int) -> bool:
    trusting = create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = CERT_NONE  # it has made its certificate itself
    request = urllib.request.Request(
        f"https://127.0.0.1:{port}/readyz", headers={"Authorization": "Bearer admin-token"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10, context=trusting) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False


def _write_access(folder: Path, user: str, port: int) -> None:
    cluster = {
        "server": f"https://127.0.0.1:{port}",
        "certificate-authority": str(folder / "apiserver.crt"),
    }
    access = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": cluster}],
        "users": [{"name": user, "user": {"token": f"{user}-token"}}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": user}}],
        "current-context": "local",
    }
    (folder / f"{user}.conf").write_text(json.dumps(access))

"""A node of Kubernetes on this machine: containerd, a kubelet and a bridge of its own."""

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import yaml

from livetrap.stack.child import bind_to_parent
from tests.cluster.control_plane import ControlPlane, wait_for

__all__ = ["ADDRESS", "NETWORK", "PROGRAMS", "real_node"]

PROGRAMS = ("containerd", "ctr", "runc", "buildah", "ip")
BRIDGE = "livetrap-test0"
ADDRESS = "10.98.0.1"
NETWORK = "10.98.0.0/24"
NODE = "node"  # the name that its login has
PLUGINS = Path("/usr/lib/cni")
_CGROUPS = Path("/sys/fs/cgroup")
_LOG_LINKS = Path("/var/log/containers")
# A kubelet sets these for the whole machine; they are put back.
_KERNEL = (
    "vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
)  # fmt: skip


@contextmanager
def real_node(
    plane: ControlPlane, kubelet: Path, access: Path, archives: dict[str, Path]
) -> Iterator[None]:
    """Let this machine join a control plane until the block ends; needs root.

    Parameters
    ----------
    plane : ControlPlane
        Where the node is registered.
    kubelet : Path
        The program.
    access : Path
        Says how the node reaches the API server.
    archives : dict of str to Path
        Images of the pods and of their sandbox, ``localhost/pause:1``, as OCI archives.
    """
    folder = Path(tempfile.mkdtemp(prefix="livetrap-node-"))  # paths of sockets are short
    with ExitStack() as stack:
        stack.callback(_remove, folder, _network_namespaces())
        stack.enter_context(_kept_kernel_settings())
        stack.enter_context(_bridge())
        stack.callback(_remove_cgroups)
        socket = folder / "containerd.sock"
        stack.enter_context(
            _running(["containerd", "--config", str(_configure_containerd(folder))], folder)
        )
        ctr = ["ctr", "--address", str(socket), "--namespace", "k8s.io"]
        wait_for(lambda: _succeeds([*ctr, "version"]), what="containerd")
        stack.callback(_end_containers, ctr)
        for archive in archives.values():
            _run([*ctr, "images", "import", str(archive)])
        options = [
            "--config", str(_configure_kubelet(folder)), "--kubeconfig", str(access),
            "--hostname-override", NODE, "--node-ip", ADDRESS,
            "--root-dir", str(folder / "kubelet"), "--cert-dir", str(folder / "certificates"),
        ]  # fmt: skip
        stack.enter_context(_running([str(kubelet), *options], folder))
        wait_for(lambda: _is_ready(plane), what="the node")
        yield


def _is_ready(plane: ControlPlane) -> bool:
    return any(
        each["type"] == "Ready" and each["status"] == "True"
        for node in plane.get("nodes")
        for each in node["status"].get("conditions", ())
    )


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[None]:
    # The program that ends with its parent takes no name without a folder.
    command = [str(shutil.which(command[0])), *command[1:]]
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        process = subprocess.Popen(
            bind_to_parent(command, death_signal=signal.SIGTERM), stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _kept_kernel_settings() -> Iterator[None]:
    paths = [Path("/proc/sys") / each for each in _KERNEL]
    before = {path: path.read_text() for path in paths if path.exists()}
    try:
        yield
    finally:
        for path, text in before.items():
            if path.read_text() != text:
                path.write_text(text)


@contextmanager
def _bridge() -> Iterator[None]:
    _run(["ip", "link", "add", BRIDGE, "type", "bridge"])
    try:
        _run(["ip", "address", "add", f"{ADDRESS}/24", "dev", BRIDGE])
        _run(["ip", "link", "set", BRIDGE, "up"])
        yield
    finally:
        _run(["ip", "link", "delete", BRIDGE])


def _configure_containerd(folder: Path) -> Path:
    network = folder / "network"
    network.mkdir()
    # Pods reach the bridge and each other, and nothing else.
    ranges = [[{"subnet": NETWORK, "gateway": ADDRESS}]]
    addresses = {"type": "host-local", "ranges": ranges, "dataDir": str(folder / "addresses")}
    plugin = {"type": "bridge", "bridge": BRIDGE, "isGateway": False, "ipam": addresses}
    document = {"cniVersion": "0.4.0", "name": "livetrap", "plugins": [plugin]}
    (network / "10-livetrap.conflist").write_text(json.dumps(document))
    path = folder / "containerd.toml"
    path.write_text(f"""\
version = 2
root = "{folder}/root"
state = "{folder}/state"
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{PLUGINS}"
    conf_dir = "{network}"
""")
    return path


def _configure_kubelet(folder: Path) -> Path:
    path = folder / "kubelet.yaml"
    document = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{folder}/containerd.sock",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        "address": ADDRESS,
        "healthzPort": 0,
        "readOnlyPort": 0,
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},  # on a bridge that only this machine has
        "evictionHard": {
            "imagefs.available": "0%", "nodefs.available": "0%", "memory.available": "0%",
        },
        # Else images go from a disk that others have filled, and no registry has them.
        "imageGCHighThresholdPercent": 100,
        "podLogsDir": str(folder / "pod-logs"),
        "oomScoreAdj": 0,
        "makeIPTablesUtilChains": False,
        "resolvConf": "",
    }  # fmt: skip
    path.write_text(yaml.safe_dump(document))
    return path


def _end_containers(ctr: list[str]) -> None:
    """End what runs; containerd unmounts what it has mounted."""
    for task in _run([*ctr, "tasks", "list", "-q"]).split():
        _succeeds([*ctr, "tasks", "kill", "--signal", "SIGKILL", task])
        wait_for(
            lambda task=task: (
                _succeeds([*ctr, "tasks", "delete", task])
                or task not in _run([*ctr, "tasks", "list", "-q"])
            ),
            what=f"the end of {task}",
        )
    for container in _run([*ctr, "containers", "list", "-q"]).split():
        _run([*ctr, "containers", "delete", container])


def _remove_cgroups() -> None:
    for group in (*_CGROUPS.glob("*/k8s.io"), *_CGROUPS.glob("k8s.io")):
        for each in sorted(group.rglob("*/"), reverse=True):
            with suppress(OSError):  # those of the root are listed, and cannot go
                each.rmdir()
        with suppress(OSError):
            group.rmdir()


def _network_namespaces() -> set[str]:
    return {line.split()[0] for line in _run(["ip", "netns", "list"]).splitlines()}


def _remove(folder: Path, namespaces_before: set[str]) -> None:
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for each in sorted((each for each in mounts if each.startswith(f"{folder}/")), reverse=True):
        _run(["umount", each])
    for each in sorted(_network_namespaces() - namespaces_before):
        _run(["ip", "netns", "delete", each])
    if _LOG_LINKS.is_dir():
        for link in _LOG_LINKS.iterdir():
            if link.is_symlink() and str(link.readlink()).startswith(f"{folder}/"):
                link.unlink()
    shutil.rmtree(folder)

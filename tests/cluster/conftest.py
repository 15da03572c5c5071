"""Tools and schemas of Kubernetes, fetched once a version into the cache of the user."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from platformdirs import user_cache_path

from tests.cluster.control_plane import ControlPlane, run_control_plane
from tests.cluster.definitions import find_definitions
from tests.cluster.programs import need

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# `make check-manifests` builds nothing that takes minutes.
IS_LIGHT = os.environ.get("CHECK_DEPLOY") == "light"
# To fetch one thing: longer, and there is no network worth the name.
FETCH_S = 180
KUBERNETES = "k8s.io/kubernetes@v1.36.3"
PROMTOOL = "github.com/prometheus/prometheus/cmd/promtool"
KUBECONFORM = "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture(scope="session")
def cache() -> Path:
    """Folder that outlives the tests: another one for other versions."""
    name = hashlib.sha256(f"{KUBERNETES} {KUBECONFORM}".encode()).hexdigest()[:16]
    folder = user_cache_path("livetrap") / "cluster" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def obtain(command: list[str], what: str, **options: Any) -> str:
    """Return what a command printed that fetches something; skip where it cannot be had."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=FETCH_S, **options
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{what} did not come within {FETCH_S} s")
    if done.returncode:
        pytest.skip(f"{what} cannot be had: {done.stdout[-300:]}{done.stderr[-300:]}")
    return done.stdout


def module_dir(module: str) -> Path:
    """Return the folder of a Go module, which is downloaded if it is not there."""
    text = obtain([need("go"), "mod", "download", "-json", module], module, cwd="/")
    return Path(json.loads(text)["Dir"])


@pytest.fixture(scope="session")
def kubernetes_module() -> Path:
    return module_dir(KUBERNETES)


@pytest.fixture(scope="session")
def kubeconform(cache: Path) -> Path:
    binary = cache / "kubeconform"
    if not binary.exists():
        environment = os.environ | {"GOBIN": str(cache), "CGO_ENABLED": "0"}
        obtain([need("go"), "install", KUBECONFORM], "kubeconform", env=environment, cwd="/")
    return binary


@pytest.fixture(scope="session")
def control_plane_binary(cache: Path) -> Path:
    """etcd, API server, controllers and scheduler in one program.

    Building it takes 10 min of CPU, once a version; CONTROL_PLANE names one that is ready.
    """
    if ready := os.environ.get("CONTROL_PLANE"):
        return Path(ready).resolve(strict=True)
    return build(cache, ".")


@pytest.fixture(scope="session")
def kubelet(cache: Path) -> Path:
    """The agent of a node; 1 min of CPU once the control plane is built. KUBELET names one."""
    if ready := os.environ.get("KUBELET"):
        return Path(ready).resolve(strict=True)
    return build(cache, "./kubelet")


@pytest.fixture(scope="session")
def pause(cache: Path) -> Path:
    return build(cache, "./pause")


@pytest.fixture(scope="session")
def promtool(cache: Path) -> str:
    """Prometheus' own checks of rules: PROMTOOL, that of this machine, or one built once."""
    ready = os.environ.get("PROMTOOL") or shutil.which("promtool")
    return ready or str(build(cache, PROMTOOL, module="promtool"))


@pytest.fixture(scope="session")
def compose_reader(cache: Path) -> Path:
    """What `docker compose config` reads its file with."""
    return build(cache, ".", module="compose", takes_minutes=False)


def build(
    cache: Path, package: str, *, module: str = "controlplane", takes_minutes: bool = True
) -> Path:
    """Return a program of a module beside this file, or that it names; built once a version."""
    source = HERE / module
    files = [source / "go.mod", source / "go.sum", source / package / "main.go"]
    text = b"".join(each.read_bytes() for each in files if each.exists())
    version = hashlib.sha256(text).hexdigest()[:16]
    binary = cache / f"{(source / package).resolve().name}-{version}"
    if not binary.exists():
        if IS_LIGHT and takes_minutes:
            pytest.skip(f"{package} is not built here; `make check-deploy` builds it")
        built = binary.with_suffix(".new")
        command = [
            need("go"), "build", "-trimpath", "-ldflags=-s -w", "-tags=remove_all_sd",
            "-o", str(built), package,
        ]  # fmt: skip
        options: dict[str, Any] = {"cwd": source, "env": os.environ | {"CGO_ENABLED": "0"}}
        if takes_minutes:
            subprocess.run(command, **options, check=True)
        else:
            obtain(command, module, **options)
        built.replace(binary)
    return binary


@pytest.fixture(scope="session")
def control_plane(
    control_plane_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    """A control plane that only this run uses; no node has joined it."""
    need("openssl")
    folder = tmp_path_factory.mktemp("control-plane")
    with run_control_plane(control_plane_binary, need("kubectl"), folder) as plane:
        yield plane


@pytest.fixture(scope="session")
def definitions(cache: Path) -> tuple[list[Path], list[str]]:
    """Files with definitions of custom objects, and the groups that have none here."""
    return find_definitions(cache, module_dir, obtain)


@pytest.fixture(scope="session")
def overlays(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every overlay as kustomize makes it, and one with all components together."""
    copy = tmp_path_factory.mktemp("k8s") / "k8s"
    shutil.copytree(ROOT / "deploy/k8s", copy)
    every = copy / "overlays/everything"
    shutil.copytree(copy / "overlays/observatory", every)
    path = every / "kustomization.yaml"
    made = yaml.safe_load(path.read_text())
    # Those that no overlay has come last: some patch what others bring.
    named = [f"../../components/{each.name}" for each in sorted((copy / "components").iterdir())]
    made["components"] += [each for each in named if each not in made["components"]]
    path.write_text(yaml.safe_dump(made))
    return {
        folder.name: subprocess.run(
            [need("kubectl"), "kustomize", str(folder)],
            capture_output=True, text=True, check=True,
        ).stdout
        for folder in sorted((copy / "overlays").iterdir())
    }  # fmt: skip

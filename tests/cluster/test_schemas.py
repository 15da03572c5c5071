"""Every object of every overlay has the fields that its schema names, and no others."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.support.openapi_schemas import write_custom_schemas, write_schemas

# Whose definitions need more than one module: Maven, a generator.
_GROUPS = {
    "topicName:": "kafka.strimzi.io",
    "podMetricsEndpoints:": "monitoring.coreos.com",
    "interval: 15s": "monitoring.coreos.com",
}
Validate = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def validate(
    kubernetes_module: Path,
    kubeconform: Path,
    definitions: tuple[list[Path], list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Validate:
    folder = tmp_path_factory.mktemp("schemas")
    assert write_schemas(kubernetes_module / "api/openapi-spec/swagger.json", folder) > 300
    for path in definitions[0]:
        for each in yaml.safe_load_all(path.read_text()):
            if each and each["kind"] == "CustomResourceDefinition":
                write_custom_schemas(each, folder)
    place = f"{folder}/{{{{.Group}}}}/{{{{.ResourceKind}}}}_{{{{.ResourceAPIVersion}}}}.json"

    def run(text: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(kubeconform), "-strict", "-summary", "-schema-location", place,
             "-ignore-missing-schemas", "-"],
            input=text, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def test_every_object_is_valid(
    validate: Validate, overlays: dict[str, str], definitions: tuple[list[Path], list[str]]
) -> None:
    for name, text in overlays.items():
        done = validate(text)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        unknown = [
            each["apiVersion"] for each in yaml.safe_load_all(text)
            if each["apiVersion"].split("/")[0] in definitions[1]
        ]  # fmt: skip
        assert f"Skipped: {len(unknown)}" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("readOnlyRootFilesystem", "readOnlyRootFileSystem"),
        ("enableServiceLinks: false", "enableServiceLink: false"),
        ("port: 8099", "port: eighty"),
        ("maxReplicaCount: 16", "maxReplicaCount: sixteen"),
        ("topicName:", "topicname:"),
        ("podMetricsEndpoints:", "podMetricEndpoints:"),
        ("interval: 15s", "interval: quarter"),
        ("destinationPath:", "destinationpath:"),
    ],
)
def test_a_mistake_is_found(
    validate: Validate,
    overlays: dict[str, str],
    definitions: tuple[list[Path], list[str]],
    right: str,
    wrong: str,
) -> None:
    if (group := _GROUPS.get(right)) in definitions[1]:
        pytest.skip(f"the definitions of {group} are not here")
    assert right in overlays["observatory"]
    assert validate(overlays["observatory"].replace(right, wrong, 1)).returncode == 1

"""Strict JSON schemas of the objects of Kubernetes, from the OpenAPI document of a version."""

import json
from pathlib import Path
from typing import Any

__all__ = ["write_custom_schemas", "write_schemas"]

_PREFIX = "#/definitions/"


def write_schemas(swagger: Path, folder: Path) -> int:
    """Write a schema for every kind; return how many.

    Parameters
    ----------
    swagger : Path
        ``api/openapi-spec/swagger.json`` of the sources of Kubernetes.
    folder : Path
        Where ``<group>/<kind>_<version>.json`` go; objects without a group have their version
        in its place, as kubeconform names it.
    """
    definitions = json.loads(swagger.read_text())["definitions"]
    for each in definitions.values():
        _refuse_unknown(each)
    # Two that the document calls objects or text take both.
    definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = {
        "oneOf": [{"type": "string"}, {"type": "integer"}]
    }
    definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = {
        "oneOf": [{"type": "string"}, {"type": "number"}]
    }
    (folder / "definitions.json").write_text(json.dumps({"definitions": definitions}))
    n_kinds = 0
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            _write(
                folder, kind["group"] or kind["version"], kind["kind"], kind["version"],
                {"$ref": f"../definitions.json{_PREFIX}{name}"},
            )  # fmt: skip
            n_kinds += 1
    return n_kinds


def write_custom_schemas(definition: dict[str, Any], folder: Path) -> None:
    """Write the schemas of one CustomResourceDefinition."""
    spec = definition["spec"]
    for version in spec["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        _refuse_unknown(schema)
        schema["properties"]["metadata"] = {"type": "object"}
        _write(folder, spec["group"], spec["names"]["kind"], version["name"], schema)


def _write(folder: Path, group: str, kind: str, version: str, schema: dict[str, Any]) -> None:
    path = folder / group / f"{kind.lower()}_{version}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(schema))


def _refuse_unknown(schema: Any) -> None:
    """Let no object have a property that its schema does not name, as an API server does."""
    if isinstance(schema, list):
        for each in schema:
            _refuse_unknown(each)
    elif isinstance(schema, dict):
        is_open = schema.get("x-kubernetes-preserve-unknown-fields")
        if isinstance(schema.get("properties"), dict) and not is_open:
            schema.setdefault("additionalProperties", False)
        if schema.pop("x-kubernetes-int-or-string", False):
            schema.pop("type", None)
        for each in schema.values():
            _refuse_unknown(each)

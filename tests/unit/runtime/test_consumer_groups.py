"""Two consumers of one group share the messages: each would miss those of the other.

A broker that asks for rights lets the services use groups of one prefix, and no others.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from runtime.kafka import clients
from runtime.settings import KafkaSettings

# What asks about the offsets of another one's group, and consumes nothing.
_ASKS = re.compile(r"GroupOffsets\(\s*\w+,\s*group=\"[\w-]+\"")
_GROUP = re.compile(r"(?:group=|_GROUP = )\"(livetrap-[\w-]+)\"")

FOLDERS = ("services", "livetrap", "runtime", "api")
# What makes a client with a group, and the argument that names it.
_MAKERS = {
    "create_consumer": "group", "GroupOffsets": "group", "MessageFetcher": "group",
    "KafkaSender": "group", "Worker": "group", "build_app": "group",
    "create_reader": "name", "TopicTail": "name",
}  # fmt: skip
_USERS = Path("deploy/k8s/components/strimzi/users.yaml")


def test_every_consumer_has_a_group_of_its_own() -> None:
    found: Counter[str] = Counter()
    for folder in FOLDERS:
        for path in Path(folder).rglob("*.py"):
            text = re.sub(_ASKS, "", path.read_text(encoding="utf-8"))
            found.update(_GROUP.findall(text))
    assert len(found) > 5
    assert [name for name, n in found.items() if n > 1] == []


def named_groups() -> Iterator[tuple[str, str]]:
    """Give the place of each client and how the name of its group begins.

    A function that passes on the group of its caller names none.
    """
    for folder in FOLDERS:
        for path in Path(folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text if any(maker in text for maker in _MAKERS) else "")
            constants = dict(constants_of(tree))
            for node in ast.walk(tree):
                if not isinstance(node, ast.Call):
                    continue
                wanted = _MAKERS.get(name_of(node.func))
                values = [each.value for each in node.keywords if each.arg == wanted]
                begins = [beginning(each, constants) for each in values if wanted]
                yield from ((f"{path}:{node.lineno}", each) for each in begins if each is not None)


def constants_of(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, str(node.value.value)


def name_of(function: ast.expr) -> str:
    return getattr(function, "id", "") or getattr(function, "attr", "")


def beginning(value: ast.expr, constants: dict[str, str]) -> str | None:
    """Return the text that a group begins with; None if it is the group of a caller."""
    if isinstance(value, ast.JoinedStr):
        first = value.values[0]
        part = first.value if isinstance(first, ast.FormattedValue) else first
        return beginning(part, constants)
    if isinstance(value, ast.Constant):
        return str(value.value)
    name = name_of(value).removeprefix("_") if isinstance(value, ast.Attribute) else ""
    if isinstance(value, ast.Name):
        if value.id in constants:
            return constants[value.id]
        name = value.id
    assert name in ("group", "name"), ast.unparse(value)
    return None


def allowed_prefix() -> str:
    users = {each["metadata"]["name"]: each for each in yaml.safe_load_all(_USERS.read_text())}
    [rule] = [
        each for each in users["livetrap"]["spec"]["authorization"]["acls"]
        if each["resource"]["type"] == "group"
    ]  # fmt: skip
    assert rule["resource"]["patternType"] == "prefix"
    assert "Read" in rule["operations"]
    return str(rule["resource"]["name"])


def test_every_group_has_the_prefix_that_a_secured_broker_allows() -> None:
    found = dict(named_groups())
    assert len(found) > 10
    prefix = allowed_prefix()
    assert {place: name for place, name in found.items() if not name.startswith(prefix)} == {}


@pytest.mark.parametrize("prefix", ["", "night."])
def test_a_group_stands_behind_the_prefix_of_the_topics(
    monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    given: list[str] = []

    def take(config: dict[str, str], **_: object) -> None:
        given.append(config["group.id"])

    monkeypatch.setattr(clients, "CheckedConsumer", take)
    settings = KafkaSettings(topic_prefix=prefix)
    clients.create_consumer(settings, group="livetrap-extract")
    clients.create_reader(settings, name="livetrap-distribute")
    assert given == [f"{prefix}livetrap-extract", f"{prefix}livetrap-distribute"]

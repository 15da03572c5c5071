"""What the pages name exists: files, settings, metrics, commands, log events."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import typer
from prometheus_client.metrics import MetricWrapperBase

from literate import is_tutorial
from livetrap.cli import app
from reference.metrics import metrics_modules
from runtime.settings import Settings

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
SERVICES = ("services", "api", "runtime", "livetrap")
# An ADR tells what was true when it was decided.
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("changes/*.md")]
    if not {"build", "generated", "adr"} & set(path.relative_to(ROOT).parts)
)
SCRIPTS = [path for path in (DOCS / "tutorials").iterdir() if is_tutorial(path)]
EVERY = [*PAGES, *SCRIPTS, *ROOT.glob("services/*/README.md"), ROOT / "api" / "README.md"]

_FILE = re.compile(r"`((?:[a-z_]+/)+[A-Za-z0-9_.+-]+\.(?:py|sql|md|avsc|json|toml|js))`")
_SETTING = re.compile(r"(?<![A-Z_:])(?:LIVETRAP_)?([A-Z]+)__([A-Z0-9_]*[A-Z0-9])")
_METRIC = re.compile(r"`(livetrap_[a-z]+_[a-z_]+)(?:\{[a-z,]*\})?`")
_COMMAND = re.compile(r"\blivetrap ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?")
_EVENT = re.compile(r"`([a-z]+(?:_[a-z]+)+)`")


def by_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def named(pattern: re.Pattern[str]) -> Iterator[tuple[str, re.Match[str]]]:
    """Give every occurrence of a pattern in the pages, with the page's name."""
    for page in EVERY:
        for found in pattern.finditer(text_of(page)):
            yield by_name(page), found


def test_files_exist() -> None:
    found = [(page, name[1]) for page, name in named(_FILE)]
    assert len(found) > 30
    assert [(page, name) for page, name in found if not (ROOT / name).exists()] == []


def test_settings_exist() -> None:
    found = [(page, name[1], name[2]) for page, name in named(_SETTING)]
    assert len(found) > 30
    assert [each for each in found if not is_setting(each[1].lower(), each[2].lower())] == []


def is_setting(section: str, field: str) -> bool:
    found = Settings.model_fields.get(section)
    return found is not None and field in getattr(found.annotation, "model_fields", {})


def test_metrics_exist() -> None:
    modules = [import_module(name) for name in metrics_modules()]
    metrics = [value for module in modules for value in vars(module).values()]
    families = [
        family
        for metric in metrics
        if isinstance(metric, MetricWrapperBase)
        for family in metric.describe()
    ]
    known = {family.name + "_total" * (family.type == "counter") for family in families}
    found = [(page, name[1]) for page, name in named(_METRIC)]
    assert len(found) > 5
    assert [(page, name) for page, name in found if name not in known] == []


def test_commands_exist() -> None:
    commands = typer.main.get_group(app).commands
    unknown = []
    for page in EVERY:
        for word, second in set(_COMMAND.findall(in_code(text_of(page), page.suffix))):
            inner = getattr(commands.get(word), "commands", {second: None})
            if word not in commands or (second and second not in inner):
                unknown.append((by_name(page), word, second))
    assert unknown == []


def in_code(text: str, suffix: str) -> str:
    """Return what is code on a page: between backticks, and in blocks."""
    if suffix != ".md":
        return text
    blocks = re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return "\n".join([*blocks, *inline])


def test_symptoms_of_the_runbook_are_in_the_code() -> None:
    code = "\n".join(text_of(path) for name in SERVICES for path in (ROOT / name).rglob("*.py"))
    runbook = text_of(DOCS / "operations.md").split("## Runbook\n", 1)[1]
    symptoms = [line.split("|")[1] for line in runbook.splitlines() if line.startswith("| ")]
    events = [event for symptom in symptoms for event in _EVENT.findall(symptom)]
    assert len(events) > 5
    assert [event for event in events if f'"{event}"' not in code] == []


def test_every_service_has_a_page() -> None:
    services = {path.parent.name for path in ROOT.glob("services/*/app*")} | {"api"}
    pages = {path.stem for path in (DOCS / "reference" / "services").glob("*.md")}
    assert pages == services


@pytest.mark.parametrize(
    ("page", "example", "where"),
    [
        ("add-a-measurement-column", "minor_arcsec", ("services", "livetrap", "schemas")),
        ("add-a-delivery-channel", '"broker"', ("services", "runtime", "livetrap", "schemas")),
        ("add-a-rule-quantity", '"edge_distance_deg"', ("rules", "schemas", "services")),
    ],
)
def test_a_how_to_names_every_file_that_knows_an_example(
    page: str, example: str, where: tuple[str, ...]
) -> None:
    listed = set(_FILE.findall(text_of(DOCS / "how-to" / f"{page}.md")))
    knowing = {
        by_name(path)
        for name in where
        for path in (ROOT / name).rglob("*.*")
        if path.suffix in {".py", ".sql", ".avsc", ".json"} and example in text_of(path)
    }
    assert {name for name in knowing if "/older/" not in name} - listed == set()


def test_decisions_are_numbered_once() -> None:
    files = sorted((DOCS / "adr").glob("0*.md"))
    numbers = [int(path.name[:4]) for path in files]
    assert len(set(numbers)) == len(numbers)
    titles = [text_of(path).splitlines()[0] for path in files]
    assert [title.split(".")[0] for title in titles] == [f"# {number}" for number in numbers]

"""Two consumers of one group share the messages: each would miss those of the other."""

import re
from collections import Counter
from pathlib import Path

# What asks about the offsets of another one's group, and consumes nothing.
_ASKS = re.compile(r"GroupOffsets\(\s*\w+,\s*group=\"[\w-]+\"")
_GROUP = re.compile(r"(?:group=|_GROUP = )\"(livetrap-[\w-]+)\"")


def test_every_consumer_has_a_group_of_its_own() -> None:
    found: Counter[str] = Counter()
    for folder in ("services", "livetrap", "runtime", "api"):
        for path in Path(folder).rglob("*.py"):
            text = re.sub(_ASKS, "", path.read_text(encoding="utf-8"))
            found.update(_GROUP.findall(text))
    assert len(found) > 5
    assert [name for name, n in found.items() if n > 1] == []

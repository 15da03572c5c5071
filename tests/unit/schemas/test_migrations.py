"""A migration never breaks the version before it, whose pods still run (ADR 0050)."""

import re

import pytest

from livetrap.database.migrations import Migration, load_migrations

# Files up to here were written before anything was released.
_FIRST = "0049"
_BREAKS = re.compile(
    r"""
      \b drop \s+ (?: table | column | view | type | function | schema ) \b
    | \b rename \b
    | \b alter \s+ column \s+ \w+ \s+ (?: set \s+ data \s+ )? type \b
    | \b set \s+ not \s+ null \b
    | \b drop \s+ default \b
    | \b add \s+ column (?: \s+ if \s+ not \s+ exists )? \s+ \w+ (?: (?! default | , | ; ) . )*?
        \b not \s+ null \b (?! (?: (?! , | ; ) . )* \b default \b )
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
# What a function does, it does when it is called; a block of `do` is done at once.
_BODY = re.compile(
    r"\b (create (?: \s+ or \s+ replace )? \s+ function \b [^$;]*) \$\$ .*? \$\$",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
# A column that no version reads any more may go; its file says so in its first line.
_REMOVES = re.compile(r"^-- Remove what no version since \d+\.\d+\.\d+ uses")


def find_breaks(text: str) -> list[str]:
    """Return what a program that was written for the schema before could stumble over."""
    if _REMOVES.match(text):
        return []
    statements = _BODY.sub(r"\1", re.sub(r"--[^\n]*", "", text))
    return [" ".join(found[0].split()) for found in _BREAKS.finditer(statements)]


@pytest.mark.parametrize(
    "migration",
    [each for each in load_migrations() if each.name >= _FIRST] or [Migration("none", "")],
    ids=lambda each: each.name,
)
def test_a_migration_does_not_break_the_version_before(migration: Migration) -> None:
    assert find_breaks(migration.text) == []


@pytest.mark.parametrize(
    "text",
    [
        "drop table source;",
        "alter table source drop column ra;",
        "alter table source rename to origin;",
        "alter table source rename column ra to lon;",
        "alter table source alter column ra type float4;",
        "alter table source alter column ra set data type float4;",
        "alter table source alter column ra set not null;",
        "alter table source alter column ra drop default;",
        "alter table source add column b int, add column a int not null;",
        "alter table source\n    add column a int\n    not null;",
        "create table more (a int);\ndrop function near_references(float8);",
        "do $$ begin drop table more; end $$;",
        "create function f() returns int language sql as $$ select 1 $$;\ndrop table more;",
        "create function f() returns int as $$ select 1 $$;\ndo $$ begin drop table a; end $$;",
    ],
)
def test_what_breaks_is_found(text: str) -> None:
    assert len(find_breaks(text)) == 1
    assert find_breaks(f"-- Remove what no version since 1.2.0 uses.\n{text}") == []


@pytest.mark.parametrize(
    "text",
    [
        "create table more (a int not null);",
        "alter table source add column a int;",
        "alter table source add column a int not null default 0, add column b text;",
        "alter table source add column a int default 0 not null;",
        "-- drop table source\ncreate index on source (ra);",
        "alter table delivery drop constraint delivery_channel_check;",
        "alter table transient alter column needs_stamps set default true;",
        "create function f() returns int as $$ begin execute 'drop table a'; end $$;",
        "create or replace function f(a int) returns void as $$ begin drop table b; end $$;",
    ],
)
def test_what_adds_is_none(text: str) -> None:
    assert find_breaks(text) == []

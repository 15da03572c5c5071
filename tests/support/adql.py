"""Queries of ADQL for tests: a catalogue, and hostile ones that are generated."""

from collections.abc import Iterator

from api.models.tap import Catalogue, TapColumn, TapTable

__all__ = ["CATALOGUE", "hostile_queries"]

_COLUMNS = {
    ("livetrap", "source"): ("id", "ra", "dec", "eta", "stream"),
    ("livetrap", "detection"): ("source_id", "ra", "dec", "snr"),
    ("ivoa", "obscore"): ("obs_id", "s_ra", "s_dec", "s_fov", "s_region", "access_url"),
    ("tap_schema", "columns"): ("table_name", "column_name", "size"),
}
CATALOGUE = Catalogue(
    {"livetrap": "", "ivoa": "", "tap_schema": ""},
    {
        (schema, name): TapTable(
            schema, name, "view", None, "", {each: TapColumn(each, "double") for each in columns}
        )
        for (schema, name), columns in _COLUMNS.items()
    },
)

_FUNCTIONS = (
    "pg_sleep(10)", "pg_read_file('/etc/passwd')", "pg_ls_dir('/')", "lo_import('/etc/passwd')",
    "lo_export(1, '/tmp/x')", "pg_read_binary_file('x')", "current_setting('data_directory')",
    "set_config('role', 'postgres', false)", "pg_terminate_backend(1)", "pg_cancel_backend(1)",
    "query_to_xml('select * from api_token', true, true, '')", "database_to_xml(true, true, '')",
    "table_to_xml('api_token', true, true, '')", "dblink('host=x', 'select 1')",
    "pg_advisory_lock(1)", "nextval('source_id_seq')", "setval('source_id_seq', 1)",
    "pg_notify('livetrap_alert', '1')", "repeat('x', 1000000000)", "generate_series(1, 1000000)",
    "version()", "inet_server_addr()", "pg_reload_conf()", "pg_switch_wal()", "txid_current()",
    "has_table_privilege('api_token', 'select')", "pg_stat_file('x')", "to_regclass('api_token')",
    "grant_virtual_observatory()", "record_write()", "light_curve(1, 1)", "regexp_match('a', 'b')",
    "convert_from('x', 'UTF8')", "encode('x', 'hex')", "chr(0)", "lpad('x', 1000000000)",
    "string_agg(stream, ',')", "array_agg(id)", "json_agg(id)", "xmlparse(document '<a/>')",
)  # fmt: skip
_CONTEXTS = (
    "select {} from source",
    "select id from source where {} is not null",
    "select id from source order by {}",
    "select count(*) from source group by {}",
    "select id from {} as x",
)
_TABLES = (
    "api_token", "public.api_token", "public.source", "pg_authid", "pg_catalog.pg_authid",
    "pg_catalog.pg_shadow", "information_schema.tables", "pg_stat_activity", "audit",
    "vo.source", "vo.stream_key", "subscription", '"public"."api_token"', "livetrap.public.source",
    "pg_settings", "pg_largeobject", "tap_schema.pg_authid", "livetrap.api_token",
)  # fmt: skip
_PLACES = (
    "select * from {}",
    "select id from source union all select id from {}",
    "select id from source where id in (select id from {})",
    "select s.id from source s join {} t on s.id = t.id",
    "with x as (select * from {}) select * from x",
)
_STATEMENTS = (
    "drop table source", "delete from source", "update source set eta = 1",
    "insert into source select 1", "truncate source", "copy source to '/tmp/x'",
    "copy source from program 'id'", "set role postgres", "reset role", "begin", "commit",
    "rollback", "vacuum", "create table x (a int)", "create role x superuser",
    "alter role postgres password 'x'", "grant all on source to public", "do $$ begin end $$",
    "call x()", "execute x", "prepare x as select 1", "listen x", "notify x", "lock table source",
    "explain analyze select 1", "show all", "discard all", "load 'x'",
    "declare x cursor for select 1", "fetch all from x", "table source", "values (1)",
    "reindex table x",
)  # fmt: skip
_SHAPES = (
    "select 1; {}", "{}", "select id from source where id in ({})", "/* x */ {}",
    "with x as ({}) select 1",
)  # fmt: skip
_OTHERS = (
    "select id from source for update", "select id into x from source",
    "select id from source --\0",
    "with recursive x as (select 1 as a union all select a + 1 from x) select a from x",
    "select * from source, lateral (select 1) as x",
    "select id from source tablesample system (1)", "select id::regclass from source",
    "select cast(id as regclass) from source",
    "select cast(stream as char(100000000)) from source", "select current_user",
    "select session_user", "select array[1, 2]", "select id[1] from source",
    "select (id).x from source", "select id from only source",
    "select case when 1 = 1 then 1 end", "select id over () from source",
    "select row_number() over (order by id) from source", "select xmin from source",
    "select ctid from source", "select stream_id from source", "select zone from source",
    'select "id""; drop table source; --" from source', "select 'a' 'b' from nowhere",
    "select $1", "select :x from source", "select ?", "select @x", "select E'\\x27' from nowhere",
    "select $tag$x$tag$ from source where zone = 1",
    "select id from source natural join detection",
    "select id from source where id = any(select 1)", "select top 1.5 id from source",
    "select top -1 id from source", "select top (select 1) id from source", "select", "", " ",
    ";", "select * from", "select (((",
    "select contains(point(ra, dec), polygon(1, 2, 3, 4, 5, 6)) from source",
    "select region('x') from source", "select id from source where contains(ra, dec) = 1",
    "select id from source where contains(point(1, 2), circle(1, 2, 3)) = 2",
    "select circle(1, 2, 3) from source", "select point('GALACTIC', 1, 2) from source",
    "select distance(1) from source",
)  # fmt: skip
_LONG = (
    "select " + "(" * 5000 + "1" + ")" * 5000,
    "select " + "abs(" * 1000 + "1" + ")" * 1000,
    "select " + "not " * 4000 + "1",
    "select " + "-" * 4001 + "1 from nowhere",
    "select " + "1, " * 9000 + "1",
    "select a.id from source as a" + ", source" * 50,
)


def hostile_queries() -> Iterator[str]:
    """Give queries that must not be answered: functions, tables, statements, in all places."""
    for context in _CONTEXTS:
        yield from (context.format(each) for each in _FUNCTIONS)
    for place in _PLACES:
        yield from (place.format(each) for each in _TABLES)
    for shape in _SHAPES:
        yield from (shape.format(each) for each in _STATEMENTS)
    yield from (*_OTHERS, *_LONG)

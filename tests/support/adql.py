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

# Each of these in one place or two: there are enough places above.
_RARER_FUNCTIONS = (
    "pg_sleep_for('1 s')", "pg_sleep_until(now())", "pg_current_logfile()", "pg_ls_logdir()",
    "pg_ls_waldir()", "pg_ls_tmpdir()", "pg_promote()", "pg_create_restore_point('x')",
    "pg_backup_start('x')", "pg_logical_emit_message(true,'a','b')", "lo_get(1)",
    "lo_from_bytea(0,'x')", "lo_put(1,0,'x')", "pg_get_functiondef(1)", "pg_get_viewdef('x')",
    "pg_relation_filepath('api_token')", "pg_total_relation_size('api_token')",
    "col_description(1,1)", "obj_description(1)", "pg_describe_object(1,1,1)", "current_query()",
    "pg_backend_pid()", "pg_export_snapshot()", "pg_try_advisory_lock(7)", "currval('x')",
    "lastval()", "to_tsvector(stream)", "ts_stat('select 1')",
    "cursor_to_xml('x',1,true,true,'')", "schema_to_xml('public',true,true,'')",
    "query_to_xmlschema('select 1',true,true,'')", "xpath('/a', 'x')", "json_object_agg(id,ra)",
    "row_to_json(source)", "to_jsonb(source)", "jsonb_path_query(stream,'$')", "format('%s',id)",
    "concat_ws(',',id,ra)", "quote_ident(stream)", "overlay(stream placing 'x' from 1)",
    "rpad('x',2000000000)", "replace(stream,'a',repeat('b',99999999))",
    "regexp_replace(stream,'(a+)+$','b')", "regexp_matches(stream,'x')",
    "string_to_array(stream,',')", "array_fill(1,array[100000000])", "unnest(array[1])",
    "gen_random_uuid()", "clock_timestamp()", "pg_stat_get_activity(1)", "inet_client_addr()",
    "session_epoch()", "ensure_detection_partition(1,now())", "source_state(source)",
    "to_iso(now())", "finite(ra)", "hashtext('x')", "md5(stream)", "sha256('x')",
    "amvalidate(1)", "binary_upgrade_set_next_pg_type_oid(1)", "pg_catalog.abs(1)",
    "public.to_iso(1)", '"pg_sleep"(1)', 'U&"pg_sleep"(1)',
)  # fmt: skip
_RARER_CONTEXTS = (
    "select abs({}) from source", "select count(*) from source having count({}) > 0",
    "select s.id from source s join detection d on s.id = {}",
    "select id from source where ra between 1 and {}",
    "select id from source where contains(point(ra, dec), circle(1, 2, {})) = 1",
)  # fmt: skip
_RARER_TABLES = (
    "pg_proc", "pg_user", "pg_roles", "pg_hba_file_rules", "pg_file_settings", "pg_stat_ssl",
    '"pg_catalog"."pg_class"', "PUBLIC.AUDIT", "information_schema.role_table_grants",
    '"vo"."source"', "source_statistics", "alert", "stamp_file", "worker_ledger",
    "livetrap.livetrap.source", '"livetrap.source"', "pg_temp.x", "tap_job",
    'livetrap."API_TOKEN"', "ivoa.source",
)  # fmt: skip
_RARER_PLACES = (
    "select id from source where exists (select 1 from {})",
    "select (select count(*) from {}) from source",
    "select id from source order by (select 1 from {})",
    "select x.* from source s left join {} x on 1 = 1",
    "select id from source except select id from {}",
)  # fmt: skip
_RARER = (
    "select id from source where id = (table api_token)",
    "select * from rows from (pg_sleep(1)) as x",
    "select * from json_table('{}', '$' columns (a int path '$')) as t",
    "select * from xmltable('/a' passing 'x' columns a int) as x",
    "select id from source fetch first 1 rows with ties", "select id from source limit all",
    "select distinct on (id) id from source",
    "select grouping(id) from source group by cube(id)",
    "select id from source group by grouping sets ((id), ())",
    "select sum(id) filter (where id > 1) from source",
    "select percentile_cont(0.5) within group (order by eta) from source",
    "select id from source window w as (order by id)",
    "select lag(id) over w from source window w as (order by id)",
    "select id from source where stream similar to '(a|b)*c'",
    "select id from source where stream ~ '(a+)+$'",
    "select id from source where stream ilike '%x%' escape ''",
    "select date '2020-01-01' from source", "select interval '1 s' from source",
    "select id at time zone 'utc' from source", 'select id collate "C" from source',
    "select b'101' from source", "select x'1f' from source where 1 = pg_sleep(1)",
    "select * from source as s(a, b, c)", "select source from source",
    "select source.* from livetrap.source as other",
    "select livetrap.source.xmin from livetrap.source", "select tableoid from source",
    "select cmin, cmax from source", "select oid from tap_schema.columns",
    "merge into source using detection on true when matched then delete",
    "select id from source; select 1", "select id from source;;",
    "select id from source /*!50000 union select 1 */ where pg_sleep(1) = 1",
    "select id from source where id in (values (1), (2))",
    "select not exists (delete from source returning 1)",
    "with x as (delete from source returning id) select id from x",
    "with x as materialized (select id from api_token) select * from x",
    "with source as (select * from api_token) select * from source",
    "select 1 into outfile '/tmp/x'", "select id from source procedure analyse()",
    "select \u0440g_sleep(1) from source", "select id from s\u043eurce",
    "\ufeffdrop table source", "select id\u0000 from source",
    "select id from source where 1 = contains(point(nan, 2), circle(1, 2, 3))",
    "select centroid(region('circle 1 2 3')) from source",
    "select coordsys(point(1, 2)) from source", "select in_unit(ra, 'x; drop') from source",
    "select ivo_healpix_index(99, ra, dec) from source", "select top 1 top 2 id from source",
    "select all distinct id from source", "select id from source where",
    "select id from source where id = 1 or", "select * from source cross apply (select 1) x",
    "select * from lateral (select pg_sleep(1)) x",
    "select id from source where (id, ra) in (select id, ra from api_token)",
    "select id from source where row(id, ra) = row(1, 2)", "select @@version",
    "select id from source where 'a' = any('{a}')", "select power(10, 1e9) from nowhere",
    "select (select (select (select pg_sleep(1))))",
    "select a.id from source a where a.id = b.id",
    "select count(*) over (partition by pg_sleep(1)) from source",
    "select cast('pg_authid' as regclass) from source", "select cast(1 as xml) from source",
    "select cast(id as oid) from source", "select cast(stream as json) from source",
    "select {fn pg_sleep(1)} from source", "exec sp_who", "select `id` from source",
    "select [id] from source", "select id from source as of system time '-1s'",
    "select id from source use index (x)", "select id # comment\n from api_token",
    "select id from source where id = 1 --\n union select id from api_token",
    "select id from source union select rolpassword from pg_authid",
    "select 'x' || (select token from api_token) from source",
)  # fmt: skip


def hostile_queries() -> Iterator[str]:
    """Give queries that must not be answered: functions, tables, statements, in all places."""
    for context in _CONTEXTS:
        yield from (context.format(each) for each in _FUNCTIONS)
    for place in _PLACES:
        yield from (place.format(each) for each in _TABLES)
    for shape in _SHAPES:
        yield from (shape.format(each) for each in _STATEMENTS)
    for names, places in ((_RARER_FUNCTIONS, _RARER_CONTEXTS), (_RARER_TABLES, _RARER_PLACES)):
        for number, name in enumerate(names):
            yield places[number % len(places)].format(name)
    yield from (*_OTHERS, *_RARER, *_LONG)

-- Return sources of a stream by id, as one string of rows of fixed width. No column is null.
--
-- $1  stream_id  int
-- $2  id         bigint[]
-- Index: the primary key.
select
    string_agg(
        int8send(source.id) || float8send(source.search_ra) || float8send(source.search_dec)
        || float8send(source.ra) || float8send(source.dec) || float8send(source.weight_ra)
        || float8send(source.weight_dec) || int4send(source.n_datapoints) || int4send(source.n_forced)
        || boolsend(source.is_new) || boolsend(source.is_variable) || int2send(source.activity)
        || int4send(source.n_quiet) || int4send(source.n_quiet_needed) || int4send(source.n_episodes)
        || int8send(source.first_image_key) || int4send(source.first_source_number),
        ''
    ) as rows
from source
where
    source.id = any($2::bigint[])
    and source.stream_id = $1::int

-- Return sources of a stream by id, as one string of binary records.
--
-- $1  stream_id  int
-- $2  id         bigint[]
-- Index: the primary key.
select
    string_agg(
        record_send(
            row(
                source.id, source.search_ra, source.search_dec, source.ra, source.dec, source.weight_ra,
                source.weight_dec, source.n_datapoints, source.n_forced, source.is_new, source.is_variable,
                source.activity, source.n_quiet, source.n_quiet_needed, source.n_episodes,
                source.first_image_key, source.first_source_number
            )
        ),
        ''
    ) as rows
from source
where
    source.id = any($2::bigint[])
    and source.stream_id = $1::int

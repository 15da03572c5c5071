-- Return the statistics of all sources as one row of arrays, big-endian as PostgreSQL sends numbers.
--
-- $1  stream            text
-- $2  min_n_datapoints  int     [-]
-- $3  min_snr_max       float8  [-]
-- $4  tag               text    that the source has
-- Null leaves a filter out. Values are those of the last refresh (statistics_refresh). A million sources
-- are 44 MB, of which no number becomes an object here. is_new counts 1, is_variable 2 in flags.
-- Index: none; it reads source_statistics and source whole.
select
    count(*) as n,
    coalesce(string_agg(int8send(statistics.source_id), ''), '') as id,
    coalesce(string_agg(float8send(source.ra), ''), '') as ra,
    coalesce(string_agg(float8send(source.dec), ''), '') as dec,
    coalesce(string_agg(float8send(coalesce(statistics.eta, 'NaN')), ''), '') as eta,
    coalesce(string_agg(float8send(coalesce(statistics.v, 'NaN')), ''), '') as v,
    coalesce(string_agg(int4send(statistics.n_datapoints), ''), '') as n_datapoints,
    coalesce(
        string_agg(int4send(statistics.is_new::int + 2 * statistics.is_variable::int), ''), ''
    ) as flags
from source_statistics as statistics
inner join source on statistics.source_id = source.id
inner join stream on statistics.stream_id = stream.id
where
    ($1::text is null or stream.name = $1)
    and ($2::int is null or statistics.n_datapoints >= $2)
    and ($3::float8 is null or statistics.snr_max >= $3)
    and (
        $4::text is null
        or statistics.source_id in (
            select source_tag.source_id from source_tag
            where source_tag.tag = $4
        )
    )

-- Return how often sources were looked at before a time in a channel, and when they were first seen.
--
-- $1  stream_id  int[]
-- $2  source_id  bigint[]
-- $3  band_id    int[]
-- $4  stokes     text[]
-- $5  before     timestamptz[]  start of the exposure
-- Indexes: the primary keys of source and source_band, detection (source_id, time_start).
select
    asked.number::int - 1 as number,
    source.first_time_start,
    greatest(
        source_band.n_datapoints - coalesce(later.n_blind + later.n_forced, 0), 0
    )::int as n_looks,
    greatest(
        source_band.n_datapoints - source_band.n_forced - coalesce(later.n_blind, 0), 0
    )::int as n_blind
from
    unnest($1::int[], $2::bigint[], $3::int[], $4::text[], $5::timestamptz[])
    with ordinality as asked (stream_id, source_id, band_id, stokes, before, number)
inner join source
    on asked.source_id = source.id and asked.stream_id = source.stream_id
inner join source_band
    on
        source.id = source_band.source_id
        and asked.band_id = source_band.band_id
        and asked.stokes = source_band.stokes
cross join
    lateral (
        select
            count(*) filter (where detection.extraction_type = 'blind') as n_blind,
            count(*) filter (where detection.extraction_type <> 'blind') as n_forced
        from detection
        where
            detection.stream_id = asked.stream_id
            and detection.source_id = asked.source_id
            and detection.band_id = asked.band_id
            and detection.stokes = asked.stokes
            and detection.time_start >= asked.before
    ) as later

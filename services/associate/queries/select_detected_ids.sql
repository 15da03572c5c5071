-- Return the timesteps of a stream at a time, and the sources that their images detected, as one string of
-- 8 bytes each, big-endian: null where these timesteps are the known ones.
--
-- $1  stream_id           int
-- $2  from_time           timestamptz  start of the exposure, inclusive
-- $3  to_time             timestamptz  the same
-- $4  known_timestep_ids  bigint[]     in ascending order
-- Indexes: timestep (stream_id, time_start); the primary key of detection (of this stream's partition).
select
    found.timestep_ids,
    case
        when found.timestep_ids <> $4::bigint[] then (
            select coalesce(string_agg(int8send(detection.source_id), ''), '')
            from detection
            where
                detection.stream_id = $1::int
                and detection.time_start between $2::timestamptz and $3::timestamptz
                and detection.extraction_type = 'blind'
        )
    end as source_ids
from (
    select
        array(
            select timestep.id
            from timestep
            where
                timestep.stream_id = $1::int
                and timestep.time_start between $2::timestamptz and $3::timestamptz
            order by timestep.id
        ) as timestep_ids
) as found

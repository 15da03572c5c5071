-- Return known sources that a timestep does not detect: those that the timestep before it detected,
-- wherever they are, and those in its field that were not detected for longer, or that wait for a
-- look at their position.
--
-- $1  stream_id    int
-- $2  tolerance    interval    of the start times of a timestep's images
-- $3  detected_id  bigint[]    sources that the timestep detects
-- $4  zone         smallint[]  disjoint boxes of the field: no source comes twice
-- $5  ra_low       float8[]    [deg]
-- $6  ra_high      float8[]    [deg]
-- $7  longest_wait  interval    new sources younger than this may wait for a verdict
-- Indexes: primary keys of detection (of this stream's partition) and source; null_detection
-- (stream_id, zone, ra); transient (source_id, episode).
with candidate as (
    select
        detection.source_id,
        0 as n_timesteps,
        false as is_stored
    from stream
    inner join detection
        on
            stream.id = detection.stream_id
            and detection.time_start between stream.looked_until
            - $2::interval and stream.looked_until
            + $2::interval
    where
        stream.id = $1::int
        and detection.stream_id = $1::int
        and detection.extraction_type = 'blind'
        and detection.source_id <> all($3::bigint[])
    union all
    select
        null_detection.source_id,
        null_detection.n_timesteps,
        true as is_stored
    from unnest($4::smallint[], $5::float8[], $6::float8[]) as box (zone, ra_low, ra_high)
    inner join null_detection
        on
            null_detection.stream_id = $1::int
            and box.zone = null_detection.zone
            and null_detection.ra between box.ra_low and box.ra_high
    where null_detection.source_id <> all($3::bigint[])
)

select
    source.id,
    source.ra,
    source.dec,
    max(candidate.n_timesteps) as n_timesteps,
    bool_or(candidate.is_stored) as is_stored,
    exists(
        select
        from transient
        inner join stream on transient.stream_id = stream.id
        where
            transient.source_id = source.id
            and transient.kind = 'new_source'
            and transient.state = 'active'
            and not transient.is_judged
            and transient.time_start >= stream.looked_until - $7::interval
    ) as is_pending,
    source.activity = 1 as is_active
from candidate
inner join source on candidate.source_id = source.id
group by source.id
order by source.id

-- Return known sources that a timestep may not detect: some by id, and those in its field that were not
-- detected for longer, or that wait for a look at their position; not those that move.
--
-- $1  stream_id      int
-- $2  source_id      bigint[]     of the timestep before
-- $3  zone           smallint[]   disjoint boxes of the field: no source comes twice
-- $4  ra_low         float8[]     [deg]
-- $5  ra_high        float8[]     [deg]
-- $6  pending_since  timestamptz  sources that were detected since then may wait for a verdict
-- Indexes: primary key of source; null_detection (stream_id, zone, ra).
with candidate as (
    select
        detected.source_id,
        0 as n_timesteps,
        false as is_stored
    from unnest($2::bigint[]) as detected (source_id)
    union all
    select
        null_detection.source_id,
        null_detection.n_timesteps,
        true as is_stored
    from unnest($3::smallint[], $4::float8[], $5::float8[]) as box (zone, ra_low, ra_high)
    inner join null_detection
        on
            null_detection.stream_id = $1::int
            and box.zone = null_detection.zone
            and null_detection.ra between box.ra_low and box.ra_high
)

select
    source.id,
    source.ra,
    source.dec,
    max(candidate.n_timesteps) as n_timesteps,
    bool_or(candidate.is_stored) as is_stored,
    coalesce(source.last_time_start >= $6::timestamptz, false) as is_pending,
    source.activity = 1 as is_active,
    source.n_datapoints - source.n_forced as n_blind
from candidate
inner join source on candidate.source_id = source.id
where source.activity <> 3
group by source.id
order by source.id

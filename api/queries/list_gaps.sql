-- Return forced measurements of a source that could not be made, the newest image first.
--
-- $1  source_id  bigint
-- $2  before_id  bigint  image of the last of the previous page
-- $3  limit      int     [-]
-- Null leaves a condition out.
-- Index: forced_gap (source_id, image_key).
select
    forced_gap.image_key as id,
    image.image_id,
    image.time_start,
    image.freq_eff_hz,
    image.stokes,
    forced_gap.reason
from forced_gap
inner join image on forced_gap.image_key = image.image_key
where
    forced_gap.source_id = $1::bigint
    and ($2::bigint is null or forced_gap.image_key < $2)
order by forced_gap.image_key desc
limit $3::int

-- Return the stamps of a source, newest detection first.
--
-- $1  source_id  bigint
-- $2  limit      int     [-]
-- Index: stamp (source_id).
select
    stamp.stamp_id as id,
    stamp.role,
    stamp.trig_id,
    stamp.transient_id,
    stamp.source_id,
    stamp.ra,
    stamp.dec,
    stamp.image_key as image,
    stamp.image_id,
    stamp.time_start,
    stamp.freq_eff_hz,
    stamp.stokes,
    stamp.state,
    stamp.reason,
    stamp.sha256,
    stamp.n_bytes,
    stamp.time_answered
from stamp
where stamp.source_id = $1::bigint
order by stamp.transient_id desc, stamp.role asc
limit $2::int

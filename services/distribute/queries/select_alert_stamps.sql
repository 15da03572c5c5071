-- Return stamps with their files, and what their pictures have in common.
--
-- $1  stamp_id  text[]
-- Index: the primary keys.
select
    stamp.trig_id,
    stamp.role,
    stamp.ra,
    stamp.dec,
    coalesce(stamp.reason, stamp.state) as reason,
    image.rms_jy_beam,
    transient.flux_peak_jy_beam,
    stamp_file.data
from stamp
left join transient on stamp.transient_id = transient.id
left join image on transient.image_key = image.image_key
left join stamp_file on stamp.stamp_id = stamp_file.stamp_id
where stamp.stamp_id = any($1::text[])

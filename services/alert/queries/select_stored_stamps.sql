-- Return the files of stamps that are stored.
--
-- $1  stamp_id  text[]
-- Index: the primary keys.
select
    stamp.trig_id,
    stamp.role,
    stamp_file.data
from stamp
inner join stamp_file on stamp.stamp_id = stamp_file.stamp_id
where stamp.stamp_id = any($1::text[]) and stamp.state = 'stored'
order by stamp.stamp_id

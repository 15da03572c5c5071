-- Return a piece of the answer of a job.
--
-- $1  job_id  text
-- $2  number  int   from 0 [-]
-- Index: the primary key.
select tap_chunk.data
from tap_chunk
where
    tap_chunk.job_id = $1::text
    and tap_chunk.number = $2::int

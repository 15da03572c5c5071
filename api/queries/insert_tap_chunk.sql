-- Store a piece of the answer of a job; return no row if the job is not to go on.
--
-- $1  job_id    text
-- $2  number    int     from 0 [-]
-- $3  data      bytea
-- $4  n_chunks  int     with this one [-]
-- $5  n_bytes   bigint  with this one [byte]
-- Index: the primary keys.
with going as (
    update tap_job
    set
        n_chunks = $4::int,
        n_bytes = $5::bigint
    where
        tap_job.job_id = $1::text
        and tap_job.phase = 'EXECUTING'
    returning tap_job.job_id
)

insert into tap_chunk (job_id, number, data)
select
    going.job_id,
    $2::int,
    $3::bytea
from going
returning tap_chunk.number

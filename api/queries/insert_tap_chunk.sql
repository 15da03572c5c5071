-- Store a piece of the answer of a job; return no row if the job is not to go on, and no number
-- if there is no room for it.
--
-- $1  job_id               text
-- $2  number               int     from 0 [-]
-- $3  data                 bytea
-- $4  n_chunks             int     with this one [-]
-- $5  n_bytes              bigint  with this one [byte]
-- $6  max_bytes_of_client  bigint  answers of one address [byte]
-- $7  max_bytes            bigint  answers of all [byte]
-- Index: the primary keys; the table of jobs is small.
with asked as (
    select
        $5::bigint as n_bytes,
        $6::bigint as max_bytes_of_client,
        $7::bigint as max_bytes
),

room as (
    select
        coalesce(sum(other.n_bytes) filter (where other.client = own.client), 0) + asked.n_bytes
        <= asked.max_bytes_of_client
        and coalesce(sum(other.n_bytes), 0) + asked.n_bytes <= asked.max_bytes as is_enough
    from tap_job as own
    cross join asked
    left join tap_job as other on own.job_id <> other.job_id
    where own.job_id = $1::text
    group by own.job_id, asked.n_bytes, asked.max_bytes_of_client, asked.max_bytes
),

going as (
    update tap_job
    set
        n_chunks = case when room.is_enough then $4::int else tap_job.n_chunks end,
        n_bytes = case when room.is_enough then $5::bigint else tap_job.n_bytes end
    from room
    where
        tap_job.job_id = $1::text
        and tap_job.phase = 'EXECUTING'
    returning tap_job.job_id, room.is_enough
),

stored as (
    insert into tap_chunk (job_id, number, data)
    select
        going.job_id,
        $2::int,
        $3::bytea
    from going
    where going.is_enough
    returning tap_chunk.number
)

select (select stored.number from stored) as number
from going

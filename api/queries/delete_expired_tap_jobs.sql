-- Delete the jobs that are due, and pieces of answers that were not finished.
--
-- Index: tap_job (time_destruction).
with expired as (
    delete from tap_job
    where tap_job.time_destruction <= now()
    returning tap_job.job_id
),

unfinished as (
    update tap_job
    set
        n_bytes = 0,
        n_chunks = 0
    where
        tap_job.phase in ('ERROR', 'ABORTED')
        and tap_job.n_chunks > 0
    returning tap_job.job_id
)

delete from tap_chunk
using unfinished
where tap_chunk.job_id = unfinished.job_id
returning tap_chunk.job_id

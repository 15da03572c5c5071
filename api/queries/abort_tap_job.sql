-- Abort a job that has not ended.
--
-- $1  job_id  text
-- Index: the primary key.
update tap_job
set
    phase = 'ABORTED',
    time_ended = now()
where
    tap_job.job_id = $1::text
    and tap_job.phase in ('PENDING', 'QUEUED', 'EXECUTING')
returning tap_job.job_id

-- End a job with an error.
--
-- $1  job_id  text
-- $2  error   text
-- Index: the primary key.
update tap_job
set
    phase = 'ERROR',
    time_ended = now(),
    error = $2::text
where
    tap_job.job_id = $1::text
    and tap_job.phase = 'EXECUTING'
returning tap_job.job_id

-- Say that jobs are still worked at; return those that still should be.
--
-- $1  job_ids  text[]
-- Index: the primary key.
update tap_job
set
    time_alive = now()
where
    tap_job.job_id = any($1::text[])
    and tap_job.phase = 'EXECUTING'
returning tap_job.job_id

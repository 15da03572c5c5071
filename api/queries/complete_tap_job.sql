-- End a job whose answer is stored.
--
-- $1  job_id      text
-- $2  media_type  text
-- $3  suffix      text
-- Index: the primary key.
update tap_job
set
    phase = 'COMPLETED',
    time_ended = now(),
    media_type = $2::text,
    suffix = $3::text
where
    tap_job.job_id = $1::text
    and tap_job.phase = 'EXECUTING'
returning tap_job.job_id

-- End the jobs of which nobody has said for a while that he works at them.
--
-- $1  lost_s  int   [s]
-- $2  error   text
-- Index: tap_job (time_created), of those that wait or run.
update tap_job
set
    phase = 'ERROR',
    time_ended = now(),
    error = $2::text
where
    tap_job.phase = 'EXECUTING'
    and tap_job.time_alive < now() - $1::int * interval '1 second'
returning tap_job.job_id

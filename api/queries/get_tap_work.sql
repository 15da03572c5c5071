-- Return whether jobs wait to be started, are lost, or are due to be deleted.
--
-- $1  lost_s  int  [s]
-- Index: those of tap_job.
select
    exists(
        select 1 from tap_job
        where tap_job.phase = 'QUEUED'
    ) as is_queued,
    exists(
        select 1 from tap_job
        where
            tap_job.phase = 'EXECUTING'
            and tap_job.time_alive < now() - $1::int * interval '1 second'
    ) as is_lost,
    exists(
        select 1 from tap_job
        where
            tap_job.time_destruction <= now()
            or (tap_job.phase in ('ERROR', 'ABORTED') and tap_job.n_chunks > 0)
    ) as is_expired

-- Begin the oldest job that waits and whose client has none running, if there is one.
--
-- Index: tap_job (time_created), of those that wait or run.
update tap_job
set
    phase = 'EXECUTING',
    time_started = now(),
    time_alive = now()
where
    tap_job.job_id = (
        select waiting.job_id
        from tap_job as waiting
        where
            waiting.phase = 'QUEUED'
            and not exists (
                select 1 from tap_job as running
                where
                    running.phase = 'EXECUTING'
                    and running.client = waiting.client
            )
        order by waiting.time_created
        limit 1
        for update skip locked
    )
returning
    tap_job.job_id,
    tap_job.parameters,
    tap_job.base_url,
    tap_job.execution_duration_s

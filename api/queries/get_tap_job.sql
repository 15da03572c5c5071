-- Return a job; none is left after its destruction.
--
-- $1  job_id  text
-- Index: the primary key.
select
    tap_job.job_id,
    tap_job.run_id,
    tap_job.phase,
    tap_job.parameters,
    tap_job.execution_duration_s,
    tap_job.time_created,
    tap_job.time_started,
    tap_job.time_ended,
    tap_job.time_destruction,
    tap_job.error,
    tap_job.media_type,
    tap_job.suffix,
    tap_job.n_chunks,
    tap_job.n_bytes
from tap_job
where
    tap_job.job_id = $1::text
    and tap_job.time_destruction > now()

-- Change a job that was not started; return no row if it was.
--
-- $1  job_id                text
-- $2  phase                 text
-- $3  parameters            text  JSON
-- $4  execution_duration_s  int   [s]
-- Null leaves a value as it is.
-- Index: the primary key.
update tap_job
set
    phase = coalesce($2::text, tap_job.phase),
    parameters = coalesce($3::text, tap_job.parameters),
    execution_duration_s = coalesce($4::int, tap_job.execution_duration_s)
where
    tap_job.job_id = $1::text
    and tap_job.phase = 'PENDING'
returning tap_job.job_id

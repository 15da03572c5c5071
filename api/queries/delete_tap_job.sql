-- Delete a job with its answer.
--
-- $1  job_id  text
-- Index: the primary key.
delete from tap_job
where tap_job.job_id = $1::text
returning tap_job.job_id

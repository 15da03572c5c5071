-- Change when a job is deleted; return it.
--
-- $1  job_id            text
-- $2  time_destruction  timestamptz  no later than $3 after its creation
-- $3  most_s            int          [s]
-- Index: the primary key.
update tap_job
set
    time_destruction = least($2::timestamptz, tap_job.time_created + $3::int * interval '1 second')
where tap_job.job_id = $1::text
returning tap_job.time_destruction

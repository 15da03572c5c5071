-- Store a job that nobody has started, unless there are too many; return no row then.
--
-- $1   job_id                text
-- $2   client                text      address, or network of it
-- $3   run_id                text
-- $4   parameters            text      JSON
-- $5   base_url              text
-- $6   execution_duration_s  int       [s]
-- $7   retention             interval
-- $8   max_of_client         int       jobs of one address [-]
-- $9   max_jobs              smallint  jobs of all [-]
-- $10  max_bytes             bigint    answers of all [byte]
-- Index: tap_job (client); the table is small.
insert into tap_job (
    job_id, client, run_id, parameters, base_url, execution_duration_s, time_destruction
)
select
    $1::text,
    $2::text,
    $3::text,
    $4::text,
    $5::text,
    $6::int,
    now() + $7::interval
where
    (
        select count(*) from tap_job
        where client = $2::text
    ) < $8::int
    and (select count(*) from tap_job) < $9::smallint
    and (select coalesce(sum(n_bytes), 0) from tap_job) < $10::bigint
returning job_id

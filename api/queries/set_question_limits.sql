-- Limit what a question of somebody else may take, until the end of the transaction.
--
-- $1  timeout_ms  int   time that a statement may take [ms]
-- $2  base_url    text  address of this server, in links to pixels
-- $3  retained    text  images that Kafka has, JSON (`Retention`)
-- $4  archive     text  on: there is an archive of images
select
    set_config('statement_timeout', $1::int::text, true) as statement_timeout,
    set_config('livetrap.base_url', $2::text, true) as base_url,
    set_config('livetrap.retained', $3::text, true) as retained,
    set_config('livetrap.archive', $4::text, true) as archive,
    set_config('search_path', 'pg_catalog', true) as search_path,
    set_config('timezone', 'UTC', true) as timezone,
    set_config('max_parallel_workers_per_gather', '0', true) as workers,
    set_config('jit', 'off', true) as jit,
    case
        when has_parameter_privilege('temp_file_limit', 'set')
            then set_config('temp_file_limit', '1GB', true)
    end as temp_file_limit

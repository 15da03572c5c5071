-- Take the lock of the one process that sends alerts, if it is free; held until the connection
-- ends. A machine that is lost is noticed after half a minute.
select
    pg_try_advisory_lock(hashtext('livetrap.alert.lead')) as leads,
    set_config('tcp_keepalives_idle', '15', false) as idle_s,
    set_config('tcp_keepalives_interval', '5', false) as interval_s,
    set_config('tcp_keepalives_count', '3', false) as n_lost

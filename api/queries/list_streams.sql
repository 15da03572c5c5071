-- Return a page of streams, by id.
--
-- $1  after_id  int  last of the previous page
-- $2  limit     int  [-]
-- Null leaves a condition out.
-- Index: timestep (stream_id, time_start); the primary keys.
select
    stream.id,
    stream.name,
    stream.closed_until,
    stream.systematic_position_error_deg,
    span.first_time_start,
    span.last_time_start,
    coalesce(counted.n_images, 0)::bigint as n_images,
    coalesce(counted.n_rejected, 0)::bigint as n_rejected
from stream
cross join
    lateral (
        select
            min(timestep.time_start) as first_time_start,
            max(timestep.time_start) as last_time_start
        from timestep
        where timestep.stream_id = stream.id
    ) as span
cross join
    lateral (
        select
            sum(ledger_total.n_images) as n_images,
            sum(ledger_total.n_images) filter (where ledger_total.outcome = 'rejected') as n_rejected
        from ledger_total
        where ledger_total.stream = stream.name
    ) as counted
where ($1::int is null or stream.id > $1)
order by stream.id
limit $2::int

-- Insert a monitor; return no row if the stream has the most it may have.
--
-- $1  stream      text
-- $2  name        text
-- $3  ra          float8  [deg]
-- $4  dec         float8  [deg]
-- $5  max_monitors  int  most monitors of a stream [-]
-- A position that has a monitor already gets the new name.
-- Index: monitor (stream, ra, dec).
with known as (
    select
        count(*) as n_monitors,
        coalesce(bool_or(monitor.ra = $3 and monitor.dec = $4), false) as is_monitored
    from monitor
    where monitor.stream = $1
)

insert into monitor (stream, name, ra, dec)
select
    $1::text as stream,
    $2::text as name,
    $3::float8 as ra,
    $4::float8 as dec
from known
where known.is_monitored or known.n_monitors < $5::int
on conflict (stream, ra, dec) do update set name = excluded.name
returning
    monitor.id,
    monitor.stream,
    monitor.name,
    monitor.ra,
    monitor.dec,
    monitor.source_id,
    monitor.time_created

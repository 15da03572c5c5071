-- Insert a monitor; return no row if the stream has the most it may have.
--
-- $1  stream      text
-- $2  name        text
-- $3  ra          float8  at the epoch [deg]
-- $4  dec         float8  at the epoch [deg]
-- $5  pm_ra_cosdec_mas_yr  float8  [mas/yr]
-- $6  pm_dec_mas_yr  float8  [mas/yr]
-- $7  epoch_yr    float8  Julian year [yr]
-- $8  max_monitors  int  most monitors of a stream [-]
-- A position that has a monitor already gets the new name and motion.
-- Index: monitor (stream, ra, dec).
with known as (
    select
        count(*) as n_monitors,
        coalesce(bool_or(monitor.ra = $3 and monitor.dec = $4), false) as is_monitored
    from monitor
    where monitor.stream = $1
)

insert into monitor (stream, name, ra, dec, pm_ra_cosdec_mas_yr, pm_dec_mas_yr, epoch_yr)
select
    $1::text as stream,
    $2::text as name,
    $3::float8 as ra,
    $4::float8 as dec,
    $5::float8 as pm_ra_cosdec_mas_yr,
    $6::float8 as pm_dec_mas_yr,
    $7::float8 as epoch_yr
from known
where known.is_monitored or known.n_monitors < $8::int
on conflict (stream, ra, dec) do update
    set
        name = excluded.name,
        pm_ra_cosdec_mas_yr = excluded.pm_ra_cosdec_mas_yr,
        pm_dec_mas_yr = excluded.pm_dec_mas_yr,
        epoch_yr = excluded.epoch_yr
returning
    monitor.id,
    monitor.stream,
    monitor.name,
    monitor.ra,
    monitor.dec,
    monitor.pm_ra_cosdec_mas_yr,
    monitor.pm_dec_mas_yr,
    monitor.epoch_yr,
    monitor.source_id,
    monitor.time_created

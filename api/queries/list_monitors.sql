-- Return a page of monitors, newest first.
--
-- $1  id         bigint  this one only
-- $2  stream     text
-- $3  before_id  bigint  last of the previous page
-- $4  limit      int     [-]
-- Null leaves a filter out.
-- Index: the primary key.
select
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
from monitor
where
    ($1::bigint is null or monitor.id = $1)
    and ($2::text is null or monitor.stream = $2)
    and ($3::bigint is null or monitor.id < $3)
order by monitor.id desc
limit $4::int

-- Return the watched places, newest first, from a place in the list on.
--
-- $1  id         bigint  this one alone
-- $2  stream     text
-- $3  before_id  bigint  last of the page before
-- $4  limit      int     [-]
-- Null leaves a filter out.
-- Index: the primary key.
select
    monitor.id,
    monitor.stream,
    monitor.name,
    monitor.ra,
    monitor.dec,
    monitor.source_id,
    monitor.time_created
from monitor
where
    ($1::bigint is null or monitor.id = $1)
    and ($2::text is null or monitor.stream = $2)
    and ($3::bigint is null or monitor.id < $3)
order by monitor.id desc
limit $4::int

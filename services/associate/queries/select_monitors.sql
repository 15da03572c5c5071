-- Return the monitored positions of a stream.
--
-- $1  stream  text
-- Index: monitor (stream, ra, dec).
select
    monitor.id,
    monitor.ra,
    monitor.dec,
    coalesce(monitor.source_id, 0) as source_id
from monitor
where monitor.stream = $1::text
order by monitor.id

-- Return the names of all streams that have images, alerts or monitors.
--
-- Index: none; the tables have a row a stream, the alerts are read by index.
select known.name
from (
    select stream.name from stream
    union
    select ledger_total.stream as name from ledger_total
    union
    select monitor.stream as name from monitor
    union
    select 'livetrap-test' as name
) as known
order by known.name
limit 1000

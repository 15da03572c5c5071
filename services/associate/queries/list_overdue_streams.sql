-- Return the streams with looks back whose time is over.
--
-- $1  now  timestamptz
-- Index: look_back (time_limit).
select distinct stream.name
from look_back
inner join stream on look_back.stream_id = stream.id
where
    look_back.verdict is null
    and not look_back.is_overdue
    and look_back.time_limit <= $1::timestamptz
order by stream.name

-- Return the sources of a stream whose look back is overdue.
--
-- $1  stream_id  int
-- $2  now        timestamptz
-- Index: look_back (time_limit).
select look_back.source_id
from look_back
where
    look_back.stream_id = $1::int
    and look_back.verdict is null
    and not look_back.is_overdue
    and look_back.time_limit <= $2::timestamptz
order by look_back.source_id

-- Return those of some sources that wait for what earlier images show.
--
-- $1  stream_id  int
-- $2  source_id  bigint[]
-- Index: the primary key.
select look_back.source_id
from look_back
where
    look_back.source_id = any($2::bigint[])
    and look_back.stream_id = $1::int
    and look_back.verdict is null

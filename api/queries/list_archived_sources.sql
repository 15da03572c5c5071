-- Return a page of sources that left the running catalogue, the newest first.
--
-- $1  id         bigint  this one only
-- $2  stream     text
-- $3  before_id  bigint  last of the previous page
-- $4  limit      int     [-]
-- Null leaves a filter out.
-- Index: the primary key.
select
    archived_source.id,
    stream.name as stream,
    archived_source.ra,
    archived_source.dec,
    archived_source.n_datapoints,
    archived_source.n_forced,
    archived_source.snr_forced,
    archived_source.first_time_start,
    archived_source.last_time_start,
    archived_source.time_archived
from archived_source
inner join stream on archived_source.stream_id = stream.id
where
    ($1::bigint is null or archived_source.id = $1)
    and ($2::text is null or stream.name = $2)
    and ($3::bigint is null or archived_source.id < $3)
order by archived_source.id desc
limit $4::int

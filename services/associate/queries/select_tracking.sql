-- Return the last detections of a stream that may belong to moving objects.
--
-- $1  stream_id  int
-- Index: the primary key.
select
    tracking.look,
    tracking.source_id,
    tracking.track_id,
    tracking.looks,
    tracking.time_s,
    tracking.ra,
    tracking.dec,
    tracking.err_deg
from tracking
where tracking.stream_id = $1::int

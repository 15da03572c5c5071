-- Delete what says that a measurement belongs to a second source, too, where it has been dropped.
--
-- $1  retention  interval  of measurements, which are dropped by whole months
-- Read whole, once an hour.
delete from shared_detection
using source
inner join stream on source.stream_id = stream.id
where
    shared_detection.source_id = source.id
    and shared_detection.time_start < date_trunc('month', stream.closed_until - $1::interval, 'UTC')

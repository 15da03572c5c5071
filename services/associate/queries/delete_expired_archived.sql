-- Delete archived sources whose measurements have all been dropped, but for those that were announced.
--
-- $1  retention  interval  of measurements, which are dropped by whole months
-- Indexes: archived_source (stream_id, first_time_start); the unique one on transient (source_id, episode).
delete from archived_source
using stream
where
    archived_source.stream_id = stream.id
    and archived_source.last_time_start
    < date_trunc('month', stream.closed_until - $1::interval, 'UTC')
    and not exists (
        select
        from transient
        where transient.source_id = archived_source.id
    )

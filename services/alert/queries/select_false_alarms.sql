-- Return what began in a stream in the 30 days before a time, but for the last hour, and is retracted or
-- was a storm: of a storm the event of the largest S/N, without a position. A change is one of a known
-- source.
--
-- $1  stream  text
-- $2  until   timestamptz
-- Indexes: transient (stream_id, time_start) where retracted; suppressed_event (time_suppressed).
(
    select
        transient.snr,
        transient.ra,
        transient.dec,
        transient.kind not in ('new_source', 'moving') as is_change
    from stream
    inner join transient on stream.id = transient.stream_id
    where
        stream.name = $1::text
        and transient.state = 'retracted'
        and transient.time_start > $2::timestamptz - interval '30 days'
        and transient.time_start <= $2 - interval '1 hour'
    order by transient.time_start desc
    limit 5000
)
union all
(
    select
        max((suppressed_event.event ->> 'snr')::float8) as snr,
        null::float8 as ra,
        null::float8 as dec,
        false as is_change
    from suppressed_event
    where
        suppressed_event.stream = $1
        and suppressed_event.time_released is null
        and suppressed_event.time_suppressed > now() - interval '30 days'
        and (suppressed_event.event ->> 'time_start')::timestamptz <= $2 - interval '1 hour'
    group by suppressed_event.image_id
    order by max(suppressed_event.time_suppressed) desc
    limit 5000
)

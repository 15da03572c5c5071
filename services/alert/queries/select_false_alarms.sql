-- Return what was retracted or was a storm in a stream in the 30 days before its newest image:
-- of a storm the event of the largest S/N, without a position. A change is one of a known source.
--
-- $1  stream  text
-- Indexes: transient (stream_id, time_start) where retracted; suppressed_event (time_suppressed).
with newest as (
    select
        stream.id as stream_id,
        stream.name,
        max(image.time_start) as time_start
    from stream
    inner join image on stream.id = image.stream_id
    where stream.name = $1::text
    group by stream.id
)

(
    select
        transient.snr,
        transient.ra,
        transient.dec,
        transient.kind not in ('new_source', 'moving') as is_change
    from newest
    inner join transient on newest.stream_id = transient.stream_id
    where
        transient.state = 'retracted'
        and transient.time_start > newest.time_start - interval '30 days'
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
    from newest
    inner join suppressed_event on newest.name = suppressed_event.stream
    where
        suppressed_event.time_released is null
        and suppressed_event.time_suppressed > now() - interval '30 days'
    group by suppressed_event.image_id
    order by max(suppressed_event.time_suppressed) desc
    limit 5000
)

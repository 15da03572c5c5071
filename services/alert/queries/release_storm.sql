-- Release the best events of each storm that nobody has decided about for a while, and return them.
--
-- $1  after_s    float8  since its first event [s]
-- $2  n_events   int     of each storm [-]
-- The best are without quality flags, certainly new, in most bands, of the largest S/N; side lobes
-- (quality flag 1024) wait for an operator.
-- Index: suppressed_event (time_suppressed) where time_released is null.
with ranked as (
    select
        suppressed_event.event_id,
        row_number() over (
            partition by suppressed_event.stream, suppressed_event.reason
            order by
                ((suppressed_event.event ->> 'quality_flags')::bigint = 0) desc,
                (suppressed_event.event ->> 'certainty' = 'certain') desc,
                (suppressed_event.event ->> 'n_bands')::int desc,
                (suppressed_event.event ->> 'snr')::float8 desc nulls last,
                suppressed_event.event_id asc
        ) as place,
        min(suppressed_event.time_suppressed) over (
            partition by suppressed_event.stream, suppressed_event.reason
        ) as time_first
    from suppressed_event
    where
        suppressed_event.time_released is null
        and (suppressed_event.event ->> 'quality_flags')::bigint & 1024 = 0
        and not exists (
            select 1 from suppressed_event as decided
            where
                decided.image_id = suppressed_event.image_id
                and decided.reason = suppressed_event.reason
                and decided.time_released is not null
        )
        and not exists (
            select 1 from transient
            where
                transient.id = (suppressed_event.event ->> 'transient_id')::bigint
                and transient.state = 'retracted'
        )
)

update suppressed_event
set
    time_released = now(),
    is_released_automatically = true
from ranked
where
    suppressed_event.event_id = ranked.event_id
    and ranked.place <= $2::int
    and ranked.time_first < now() - $1::float8 * interval '1 second'
returning suppressed_event.event::text as event

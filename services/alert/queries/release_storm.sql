-- Release the best events of each stream whose storms nobody has decided about for a while, and return
-- them; with that all is decided that the stream has suppressed so far.
--
-- $1  after_s    float8  since the first event of the stream that is not decided about [s]
-- $2  n_events   int     of a stream [-]
-- An event that an operator has released decides about its stream as well. What comes later of a
-- storm that is decided about waits for an operator, and so do side lobes (quality flag 1024).
-- The best are without quality flags, certainly new, in most bands, of the largest S/N.
-- Indexes: suppressed_event (stream) where time_decided is null, suppressed_event (stream, storm) where
-- it is not.
with undecided as materialized (
    select
        suppressed_event.event_id,
        suppressed_event.stream,
        suppressed_event.time_suppressed,
        suppressed_event.event,
        suppressed_event.time_released is not null as is_released,
        (suppressed_event.event ->> 'quality_flags')::bigint & 1024 <> 0
        or exists (
            select 1 from suppressed_event as decided
            where
                decided.stream = suppressed_event.stream
                and decided.storm = suppressed_event.storm
                and decided.time_decided is not null
        ) as is_held
    from suppressed_event
    where suppressed_event.time_decided is null
),

open_stream as (
    select
        undecided.stream,
        bool_or(undecided.is_released) as is_decided,
        min(undecided.time_suppressed) < now() - $1::float8 * interval '1 second' as is_due
    from undecided
    where not undecided.is_held
    group by undecided.stream
),

ranked as (
    select
        undecided.event_id,
        row_number() over (
            partition by undecided.stream
            order by
                ((undecided.event ->> 'quality_flags')::bigint = 0) desc,
                (undecided.event ->> 'certainty' = 'certain') desc,
                (undecided.event ->> 'n_bands')::int desc,
                (undecided.event ->> 'snr')::float8 desc nulls last,
                undecided.event_id asc
        ) as place
    from undecided
    inner join open_stream on undecided.stream = open_stream.stream
    where
        open_stream.is_due
        and not open_stream.is_decided
        and not undecided.is_held
        and not exists (
            select 1 from transient
            where
                transient.id = (undecided.event ->> 'transient_id')::bigint
                and transient.state = 'retracted'
        )
),

chosen as (
    select
        undecided.event_id,
        coalesce(ranked.place <= $2::int, false) as is_best
    from undecided
    left join open_stream on undecided.stream = open_stream.stream
    left join ranked on undecided.event_id = ranked.event_id
    where undecided.is_held or open_stream.is_due or open_stream.is_decided
),

done as (
    update suppressed_event
    set
        time_decided = now(),
        time_released = case when chosen.is_best then now() else suppressed_event.time_released end,
        is_released_automatically = suppressed_event.is_released_automatically or chosen.is_best
    from chosen
    where
        suppressed_event.event_id = chosen.event_id
        and suppressed_event.time_decided is null
        and (suppressed_event.time_released is null or not chosen.is_best)
    returning suppressed_event.event, chosen.is_best
)

select done.event::text as event
from done
where done.is_best

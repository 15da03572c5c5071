-- Return the alerts before each of some events: of its source, of its image, of the minute before it.
--
-- $1  event_id          text[]
-- $2  trig_id           text[]
-- $3  image_id          text[]
-- $4  stream            text[]
-- $5  time_start        timestamptz[]
-- $6  earlier_event_id  text[]         the event that has an earlier episode
-- $7  earlier_trig_id   text[]         of earlier episodes of its source
-- Indexes: alert (trig_id), alert (image_id), alert (stream, time_start), suppressed_event (event_id).
select
    asked.event_id,
    family.revision,
    family.role,
    family.event_name,
    family.time_limit_previous,
    (
        select count(*) from alert
        where
            alert.image_id = asked.image_id
            and alert.alert_type = 'initial'
            and alert.kind <> 'storm'
    )::int as n_of_image,
    (
        select count(*) from alert
        where
            alert.stream = asked.stream
            and alert.alert_type = 'initial'
            and alert.kind <> 'storm'
            and alert.time_start > asked.time_start - interval '1 minute'
            and alert.time_start <= asked.time_start
    )::int as n_of_minute,
    (
        select
            case when suppressed_event.is_released_automatically then 'automatic' else 'operator' end
        from suppressed_event
        where
            suppressed_event.event_id = asked.event_id
            and suppressed_event.time_released is not null
    ) as release,
    (
        select coalesce(array_agg(earlier.ivorn order by earlier.id), '{}')
        from unnest($6::text[], $7::text[]) as episode (earlier_event_id, earlier_trig_id)
        inner join alert as earlier on episode.earlier_trig_id = earlier.trig_id
        where episode.earlier_event_id = asked.event_id and earlier.revision = 0
    ) as earlier_ivorns
from
    unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
        as asked (event_id, trig_id, image_id, stream, time_start)
cross join
    lateral (
        select
            count(*)::int as revision,
            (
                array_agg(
                    case alert.notice ->> 'alert_tense'
                        when 'injection' then 'injection' else alert.role
                    end
                    order by alert.revision desc
                )
            )[1] as role,
            (array_agg(alert.notice -> 'event_name' ->> 0 order by alert.revision))[1] as event_name,
            (
                array_agg(
                    (alert.notice ->> 'limit_previous_time')::timestamptz order by alert.revision
                )
            )[1] as time_limit_previous
        from alert
        where alert.trig_id = asked.trig_id
    ) as family

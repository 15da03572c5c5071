-- Return the alerts before each of some events: of its source, of its image, of the minute before it;
-- and whether it has an alert itself.
--
-- $1  event_id          text[]
-- $2  trig_id           text[]
-- $3  image_id          text[]
-- $4  stream            text[]
-- $5  time_start        timestamptz[]
-- $6  earlier_event_id  text[]         the event that has an earlier episode
-- $7  earlier_trig_id   text[]         of earlier episodes of its source
-- Indexes: alert (event_id), alert (trig_id), alert (image_id), alert (stream, time_start),
-- suppressed_event (event_id).
with asked as (
    select *
    from
        unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
            as asked (event_id, trig_id, image_id, stream, time_start)
),

-- Materialized: counted once for an image and a minute, whatever the number of their events.
image_alerts as materialized (
    select
        each_image.image_id,
        (
            select count(*) from alert
            where
                alert.image_id = each_image.image_id
                and alert.alert_type = 'initial'
                and alert.kind <> 'storm'
        )::int as n_alerts
    from (select distinct asked.image_id from asked) as each_image
),

minute_alerts as materialized (
    select
        each_minute.stream,
        each_minute.minute,
        array(
            select alert.time_start from alert
            where
                alert.stream = each_minute.stream
                and alert.alert_type = 'initial'
                and alert.kind <> 'storm'
                and alert.time_start > each_minute.first_start - interval '1 minute'
                and alert.time_start <= each_minute.last_start
            order by alert.time_start
        ) as times
    from
        (
            select
                asked.stream,
                date_trunc('minute', asked.time_start) as minute,
                min(asked.time_start) as first_start,
                max(asked.time_start) as last_start
            from asked
            group by asked.stream, date_trunc('minute', asked.time_start)
        ) as each_minute
)

select
    asked.event_id,
    own.id is not null as is_alerted,
    family.revision,
    family.role,
    family.importance,
    family.event_name,
    family.time_limit_previous,
    first_alert.time_start as first_time_start,
    first_alert.freq_mhz as first_freq_mhz,
    first_alert.stokes as first_stokes,
    first_alert.flux_jy_beam as first_flux_jy_beam,
    first_alert.flux_err_jy_beam as first_flux_err_jy_beam,
    first_alert.expected_jy_beam as first_expected_jy_beam,
    first_alert.expected_err_jy_beam as first_expected_err_jy_beam,
    image_alerts.n_alerts as n_of_image,
    -- Starts until a time are as many as the number of its bucket.
    width_bucket(asked.time_start, minute_alerts.times)
    - width_bucket(asked.time_start - interval '1 minute', minute_alerts.times) as n_of_minute,
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
from asked
left join alert as own on asked.event_id = own.event_id
inner join image_alerts on asked.image_id = image_alerts.image_id
inner join
    minute_alerts
    on
        asked.stream = minute_alerts.stream
        and date_trunc('minute', asked.time_start) = minute_alerts.minute
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
            coalesce(max((alert.notice ->> 'importance')::float8), 0) as importance,
            (array_agg(alert.notice -> 'event_name' ->> 0 order by alert.revision))[1] as event_name,
            (
                array_agg(
                    (alert.notice ->> 'limit_previous_time')::timestamptz order by alert.revision
                )
            )[1] as time_limit_previous
        from alert
        where alert.trig_id = asked.trig_id
    ) as family
left join
    lateral (
        select
            alert.time_start,
            (alert.notice ->> 'flux_density_spectral_point')::float8 as freq_mhz,
            alert.notice ->> 'stokes' as stokes,
            (alert.notice ->> 'peak_flux_jy')::float8 as flux_jy_beam,
            (alert.notice ->> 'peak_flux_err_jy')::float8 as flux_err_jy_beam,
            (alert.notice ->> 'expected_flux_jy')::float8 as expected_jy_beam,
            (alert.notice ->> 'expected_flux_err_jy')::float8 as expected_err_jy_beam
        from alert
        where alert.trig_id = asked.trig_id and alert.revision = 0
    ) as first_alert
    on true

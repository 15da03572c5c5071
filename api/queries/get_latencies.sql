-- Return latency percentiles of each stage within a time window that ends now.
--
-- $1  window_s   float8  length of the window [s]
-- $2  max_rows   int     newest images and alerts to read [-]
-- Index: the primary keys; the tables grow in time order.
with recent as (
    select newest.*
    from (
        select
            image.time_sent,
            image.time_appended,
            image.time_extracted,
            image.time_associated
        from image
        order by image.image_key desc
        limit $2::int
    ) as newest
    where newest.time_associated >= now() - make_interval(secs => $1::float8)
),

stage as (
    select
        'ingest' as name,
        extract(epoch from recent.time_appended - recent.time_sent)::float8 as seconds
    from recent
    union all
    select
        'extract' as name,
        extract(epoch from recent.time_extracted - recent.time_appended)::float8 as seconds
    from recent
    union all
    select
        'associate' as name,
        extract(epoch from recent.time_associated - recent.time_extracted)::float8 as seconds
    from recent
    union all
    select
        'image_total' as name,
        extract(epoch from recent.time_associated - recent.time_appended)::float8 as seconds
    from recent
    union all
    select
        'alert_total' as name,
        newest.latency_s as seconds
    from (
        select
            alert.latency_s,
            alert.time_alert
        from alert
        order by alert.id desc
        limit $2::int
    ) as newest
    where newest.time_alert >= now() - make_interval(secs => $1::float8)
    union all
    select
        'acknowledged_' || delivery.channel as name,
        extract(epoch from delivery.time_acknowledged - newest.time_alert)::float8 as seconds
    from (
        select
            alert.id,
            alert.time_alert
        from alert
        order by alert.id desc
        limit $2::int
    ) as newest
    inner join delivery on newest.id = delivery.alert_id
    where newest.time_alert >= now() - make_interval(secs => $1::float8)
)

select
    stage.name as stage,
    count(*) as n,
    percentile_cont(0.5) within group (order by stage.seconds) as p50_s,
    percentile_cont(0.9) within group (order by stage.seconds) as p90_s,
    percentile_cont(0.99) within group (order by stage.seconds) as p99_s
from stage
where stage.seconds is not null
group by stage.name
order by stage.name

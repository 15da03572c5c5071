-- Give monitors a light curve of their own; no measurement is ever matched to it.
--
-- $1  monitor_id        bigint[]
-- $2  stream_id         int
-- $3  first_image_key   bigint       the first that shows their places
-- $4  first_time_start  timestamptz  of that image
-- Index: the primary key.
with chosen as (
    select
        monitor.id,
        monitor.ra,
        monitor.dec,
        nextval(pg_get_serial_sequence('source', 'id')) as source_id
    from monitor
    where monitor.id = any($1::bigint[]) and monitor.source_id is null
),

made as (
    insert into source (
        id, stream_id, zone, search_ra, search_dec, ra, dec, weight_ra, weight_dec, n_datapoints,
        eta, v, first_image_key, first_source_number, first_time_start, last_time_start
    )
    overriding system value
    select
        chosen.source_id as id,
        $2::int as stream_id,
        32767 as zone,
        chosen.ra as search_ra,
        chosen.dec as search_dec,
        chosen.ra,
        chosen.dec,
        0 as weight_ra,
        0 as weight_dec,
        0 as n_datapoints,
        0 as eta,
        0 as v,
        $3::bigint as first_image_key,
        0 as first_source_number,
        $4::timestamptz as first_time_start,
        $4::timestamptz as last_time_start
    from chosen
    returning source.id
)

update monitor
set source_id = chosen.source_id
from chosen
inner join made on chosen.source_id = made.id
where monitor.id = chosen.id
returning monitor.id, monitor.source_id

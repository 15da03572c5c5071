-- Store the sources that hold the light curves of monitors; no detection is ever matched to them.
--
-- $1  stream_id         int
-- $2  monitor_id        bigint[]
-- $3  source_id         bigint[]       reserved
-- $4  first_image_key   bigint[]       first image that covers the position
-- $5  first_time_start  timestamptz[]  of that image
-- $6  ra                float8[]       at that time [deg]
-- $7  dec               float8[]       at that time [deg]
-- A monitor that was deleted meanwhile gets none.
-- Index: the primary key.
with wanted as (
    select
        monitor.id as monitor_id,
        row_in.ra,
        row_in.dec,
        row_in.source_id,
        row_in.first_image_key,
        row_in.first_time_start
    from
        unnest(
            $2::bigint[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::float8[], $7::float8[]
        )
            as row_in (monitor_id, source_id, first_image_key, first_time_start, ra, dec)
    inner join monitor on row_in.monitor_id = monitor.id
    where monitor.source_id is null
),

created as (
    insert into source (
        id, stream_id, zone, search_ra, search_dec, ra, dec, weight_ra, weight_dec, n_datapoints,
        eta, v, first_image_key, first_source_number, first_time_start, last_time_start
    )
    overriding system value
    select
        wanted.source_id as id,
        $1::int as stream_id,
        32767 as zone,
        wanted.ra as search_ra,
        wanted.dec as search_dec,
        wanted.ra,
        wanted.dec,
        0 as weight_ra,
        0 as weight_dec,
        0 as n_datapoints,
        0 as eta,
        0 as v,
        wanted.first_image_key,
        0 as first_source_number,
        wanted.first_time_start,
        wanted.first_time_start as last_time_start
    from wanted
    returning source.id
)

update monitor
set source_id = wanted.source_id
from wanted
inner join created on wanted.source_id = created.id
where monitor.id = wanted.monitor_id

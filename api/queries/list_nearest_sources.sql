-- Return the sources of a cone, nearest to its centre first.
--
-- $1  zone        smallint[]  disjoint boxes of the search index
-- $2  ra_low      float8[]    [deg]
-- $3  ra_high     float8[]    [deg]
-- $4  dec_low     float8      [deg]
-- $5  dec_high    float8      [deg]
-- $6  ra          float8      [deg]
-- $7  dec         float8      [deg]
-- $8  radius_deg  float8      [deg]
-- $9  limit       int         [-]
-- Index: source (stream_id, zone, search_ra, search_dec).
with near as (
    select
        source.id,
        source.n_datapoints,
        stream.name as stream,
        sind((source.dec - $7::float8) / 2) ^ 2
        + cosd(source.dec) * cosd($7::float8) * sind((source.ra - $6::float8) / 2) ^ 2 as haversine
    from stream
    cross join unnest($1::smallint[], $2::float8[], $3::float8[]) as box (zone, ra_low, ra_high)
    inner join source
        on
            stream.id = source.stream_id
            and box.zone = source.zone
            and source.search_ra between box.ra_low and box.ra_high
            and source.search_dec between $4::float8 and $5::float8
)

select
    near.id::text as id,
    near.stream || ', ' || near.n_datapoints || ' points' as label,
    2 * asind(sqrt(least(1, near.haversine))) * 3600 as separation_arcsec
from near
where near.haversine <= sind($8::float8 / 2) ^ 2 + 1e-15
order by near.haversine, near.id
limit $9::int

-- Return the sources inside boxes of the search index, one array a column.
--
-- $1  stream_id  int
-- $2  zone       smallint[]  disjoint boxes: no source comes twice
-- $3  ra_low     float8[]    [deg]
-- $4  ra_high    float8[]    [deg]
-- $5  dec_low    float8      [deg]
-- $6  dec_high   float8      [deg]
-- Index: source (stream_id, zone, search_ra, search_dec).
select
    array_agg(source.id) as id,
    array_agg(source.search_ra) as search_ra,
    array_agg(source.search_dec) as search_dec,
    array_agg(source.ra) as ra,
    array_agg(source.dec) as dec,
    array_agg(source.weight_ra) as weight_ra,
    array_agg(source.weight_dec) as weight_dec,
    array_agg(source.n_datapoints) as n_datapoints,
    array_agg(source.is_new) as is_new,
    array_agg(source.is_variable) as is_variable,
    array_agg(source.first_image) as first_image,
    array_agg(source.first_source_number) as first_number
from unnest($2::smallint[], $3::float8[], $4::float8[]) as box (zone, ra_low, ra_high)
inner join source
    on
        source.stream_id = $1::int
        and box.zone = source.zone
        and source.search_ra between box.ra_low and box.ra_high
        and source.search_dec between $5::float8 and $6::float8

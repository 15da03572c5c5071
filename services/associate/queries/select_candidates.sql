-- Return the sources inside boxes of the search index, as one string of rows of fixed width; not
-- those that move. No column is null.
--
-- $1  stream_id  int
-- $2  zone       smallint[]  disjoint boxes: no source comes twice
-- $3  ra_low     float8[]    [deg]
-- $4  ra_high    float8[]    [deg]
-- $5  dec_low    float8      [deg]
-- $6  dec_high   float8      [deg]
-- Index: source (stream_id, zone, search_ra, search_dec).
select
    string_agg(
        int8send(source.id) || float8send(source.search_ra) || float8send(source.search_dec)
        || float8send(source.ra) || float8send(source.dec) || float8send(source.weight_ra)
        || float8send(source.weight_dec) || int4send(source.n_datapoints) || int4send(source.n_forced)
        || boolsend(source.is_new) || boolsend(source.is_variable) || int2send(source.activity)
        || int4send(source.n_quiet) || int4send(source.n_quiet_needed) || int4send(source.n_episodes)
        || int8send(source.first_image_key) || int4send(source.first_source_number),
        ''
    ) as rows
from unnest($2::smallint[], $3::float8[], $4::float8[]) as box (zone, ra_low, ra_high)
inner join source
    on
        source.stream_id = $1::int
        and box.zone = source.zone
        and source.search_ra between box.ra_low and box.ra_high
        and source.search_dec between $5::float8 and $6::float8
where source.activity <> 3

-- Return the sources inside boxes of the search index, as one string of binary records; not those that
-- move.
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
        record_send(
            row(
                source.id, source.search_ra, source.search_dec, source.ra, source.dec, source.weight_ra,
                source.weight_dec, source.n_datapoints, source.n_forced, source.is_new, source.is_variable,
                source.activity, source.n_quiet, source.n_quiet_needed, source.n_episodes,
                source.first_image_key, source.first_source_number
            )
        ),
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

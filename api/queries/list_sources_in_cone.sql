-- Return a page of the sources of a cone, by id.
--
-- $1   zone        smallint[]  disjoint boxes of the search index
-- $2   ra_low      float8[]    [deg]
-- $3   ra_high     float8[]    [deg]
-- $4   dec_low     float8      [deg]
-- $5   dec_high    float8      [deg]
-- $6   ra          float8      [deg]
-- $7   dec         float8      [deg]
-- $8   radius_deg  float8      [deg]
-- $9   stream      text
-- $10  after_id    bigint      last of the previous page
-- $11  limit       int         [-]
-- Null leaves a filter out.
-- Index: source (stream_id, zone, search_ra, search_dec).
with page as (
    select
        source.*,
        source_state(source) as state,
        stream.name as stream,
        stream.systematic_position_error_deg
    from stream
    cross join unnest($1::smallint[], $2::float8[], $3::float8[]) as box (zone, ra_low, ra_high)
    inner join source
        on
            stream.id = source.stream_id
            and box.zone = source.zone
            and source.search_ra between box.ra_low and box.ra_high
            and source.search_dec between $4::float8 and $5::float8
    where
        sind((source.dec - $7::float8) / 2) ^ 2
        + cosd(source.dec) * cosd($7::float8) * sind((source.ra - $6::float8) / 2) ^ 2
        <= sind($8::float8 / 2) ^ 2 + 1e-15
        and ($9::text is null or stream.name = $9)
        and ($10::bigint is null or source.id > $10)
    order by source.id
    limit $11::int
)

select
    page.id,
    page.parent_source_id,
    page.stream,
    page.ra,
    page.dec,
    page.weight_ra,
    page.weight_dec,
    page.systematic_position_error_deg,
    page.n_datapoints,
    page.n_forced,
    page.eta,
    page.v,
    beside.eta_peak,
    beside.v_peak,
    beside.eta_blind,
    beside.v_blind,
    beside.eta_peak_blind,
    beside.v_peak_blind,
    copied.flux_int_last_jy,
    copied.flux_peak_last_jy_beam,
    copied.snr_max,
    copied.nearest_source_arcsec,
    page.first_time_start,
    page.last_time_start,
    page.is_new,
    page.is_variable,
    page.state
from page
cross join source_variability(page.id) as beside
left join source_statistics as copied on page.id = copied.source_id
order by page.id

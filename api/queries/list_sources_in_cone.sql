-- Return a page of the sources of a cone, in an order.
--
-- $1   zone              smallint[]  disjoint boxes of the search index
-- $2   ra_low            float8[]    [deg]
-- $3   ra_high           float8[]    [deg]
-- $4   dec_low           float8      [deg]
-- $5   dec_high          float8      [deg]
-- $6   ra                float8      [deg]
-- $7   dec               float8      [deg]
-- $8   radius_deg        float8      [deg]
-- $9   stream            text
-- $10  min_n_datapoints  int         [-]
-- $11  min_eta           float8      [-]
-- $12  min_v             float8      [-]
-- $13  sort              text        id, eta, v, n_datapoints or last_time_start
-- $14  after_key         float8      last of the previous page
-- $15  after_id          bigint
-- $16  limit             int         [-]
-- Null leaves a filter out.
-- Index: source (stream_id, zone, search_ra, search_dec).
with keyed as (
    select
        source.*,
        stream.name as stream,
        stream.systematic_position_error_deg,
        case $13::text
            when 'eta' then source.eta
            when 'v' then source.v
            when 'n_datapoints' then source.n_datapoints
            when 'last_time_start' then extract(epoch from source.last_time_start)
            else -source.id
        end::float8 as sort_key
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
        and ($10::int is null or source.n_datapoints >= $10)
        and ($11::float8 is null or source.eta >= $11)
        and ($12::float8 is null or source.v >= $12)
),

page as (
    select keyed.*
    from keyed
    where $14::float8 is null or (keyed.sort_key, keyed.id) < ($14, $15::bigint)
    order by keyed.sort_key desc, keyed.id desc
    limit $16::int
)

select
    keyed.id,
    keyed.parent_source_id,
    keyed.stream,
    keyed.ra,
    keyed.dec,
    keyed.weight_ra,
    keyed.weight_dec,
    keyed.systematic_position_error_deg,
    keyed.n_datapoints,
    keyed.n_forced,
    keyed.eta,
    keyed.v,
    beside.eta_peak,
    beside.v_peak,
    beside.eta_blind,
    beside.v_blind,
    beside.eta_peak_blind,
    beside.v_peak_blind,
    keyed.first_time_start,
    keyed.last_time_start,
    keyed.is_new,
    keyed.is_variable,
    keyed.sort_key
from page as keyed
cross join source_variability(keyed.id) as beside
order by keyed.sort_key desc, keyed.id desc

-- Return a page of sources of the running catalogue, in an order.
--
-- $1   id                bigint    this one only
-- $2   stream            text
-- $3   min_n_datapoints  int       [-]
-- $4   min_eta           float8    [-]
-- $5   min_v             float8    [-]
-- $6   sort              text      id, eta, v, n_datapoints or last_time_start
-- $7   after_key         float8    last of the previous page
-- $8   after_id          bigint
-- $9   limit             int       [-]
-- Null leaves a filter out; sources of monitors (zone 32767) are returned by id only.
-- Index: the primary key for one source; a whole list is a scan.
with keyed as (
    select
        source.*,
        stream.name as stream,
        stream.systematic_position_error_deg,
        case $6::text
            when 'eta' then source.eta
            when 'v' then source.v
            when 'n_datapoints' then source.n_datapoints
            when 'last_time_start' then extract(epoch from source.last_time_start)
            else -source.id
        end::float8 as sort_key
    from source
    inner join stream on source.stream_id = stream.id
    where
        (source.id = $1::bigint or ($1::bigint is null and source.zone <> 32767))
        and ($2::text is null or stream.name = $2)
        and ($3::int is null or source.n_datapoints >= $3)
        and ($4::float8 is null or source.eta >= $4)
        and ($5::float8 is null or source.v >= $5)
),

page as (
    select keyed.*
    from keyed
    where $7::float8 is null or (keyed.sort_key, keyed.id) < ($7, $8::bigint)
    order by keyed.sort_key desc, keyed.id desc
    limit $9::int
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

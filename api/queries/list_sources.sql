-- Return a page of sources of the running catalogue, by id; one that left it is returned by its id only.
--
-- $1  id        bigint  this one only
-- $2  stream    text
-- $3  after_id  bigint  last of the previous page
-- $4  limit     int     [-]
-- Null leaves a filter out; sources of monitors (zone 32767) are returned by $1 only.
-- Index: the primary key.
with running as (
    select
        source.id,
        source.parent_source_id,
        source.ra,
        source.dec,
        source.weight_ra,
        source.weight_dec,
        source.n_datapoints,
        source.n_forced,
        source.eta,
        source.v,
        source.first_time_start,
        source.last_time_start,
        source.is_new,
        source.is_variable,
        source_state(source) as state,
        stream.name as stream,
        stream.systematic_position_error_deg
    from source
    inner join stream on source.stream_id = stream.id
    where
        (source.id = $1::bigint or ($1::bigint is null and source.zone <> 32767))
        and ($2::text is null or stream.name = $2)
        and ($3::bigint is null or source.id > $3)
    order by source.id
    limit $4::int
),

page as (
    select running.*
    from running
    union all
    select
        archived_source.id,
        null as parent_source_id,
        archived_source.ra,
        archived_source.dec,
        0 as weight_ra,
        0 as weight_dec,
        archived_source.n_datapoints + archived_source.n_forced as n_datapoints,
        archived_source.n_forced,
        archived_source.eta,
        archived_source.v,
        archived_source.first_time_start,
        archived_source.last_time_start,
        archived_source.is_new,
        archived_source.is_variable,
        'archived' as state,
        stream.name as stream,
        stream.systematic_position_error_deg
    from archived_source
    inner join stream on archived_source.stream_id = stream.id
    where archived_source.id = $1
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

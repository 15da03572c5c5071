-- Return a page of sources, of a cone or all, filtered and ordered by any statistic.
--
-- $1   zone                        smallint[]   disjoint boxes of the search index; null: all sources
-- $2   ra_low                      float8[]     [deg]
-- $3   ra_high                     float8[]     [deg]
-- $4   dec_low                     float8       [deg]
-- $5   dec_high                    float8       [deg]
-- $6   ra                          float8       [deg]
-- $7   dec                         float8       [deg]
-- $8   radius_deg                  float8       [deg]
-- $9   stream                      text
-- $10  min_n_datapoints            int          [-]
-- $11  max_n_datapoints            int          [-]
-- $12  min_n_forced                int          [-]
-- $13  max_n_forced                int          [-]
-- $14  min_eta                     float8       [-]
-- $15  max_eta                     float8       [-]
-- $16  min_v                       float8       [-]
-- $17  max_v                       float8       [-]
-- $18  min_eta_peak                float8       [-]
-- $19  max_eta_peak                float8       [-]
-- $20  min_v_peak                  float8       [-]
-- $21  max_v_peak                  float8       [-]
-- $22  min_eta_blind               float8       [-]
-- $23  max_eta_blind               float8       [-]
-- $24  min_v_blind                 float8       [-]
-- $25  max_v_blind                 float8       [-]
-- $26  min_eta_peak_blind          float8       [-]
-- $27  max_eta_peak_blind          float8       [-]
-- $28  min_v_peak_blind            float8       [-]
-- $29  max_v_peak_blind            float8       [-]
-- $30  min_flux_int_mean_jy        float8       [Jy]
-- $31  max_flux_int_mean_jy        float8       [Jy]
-- $32  min_flux_int_max_jy         float8       [Jy]
-- $33  max_flux_int_max_jy         float8       [Jy]
-- $34  min_flux_int_last_jy        float8       [Jy]
-- $35  max_flux_int_last_jy        float8       [Jy]
-- $36  min_flux_peak_mean_jy_beam  float8       [Jy/beam]
-- $37  max_flux_peak_mean_jy_beam  float8       [Jy/beam]
-- $38  min_flux_peak_last_jy_beam  float8       [Jy/beam]
-- $39  max_flux_peak_last_jy_beam  float8       [Jy/beam]
-- $40  min_snr_max                 float8       [-]
-- $41  max_snr_max                 float8       [-]
-- $42  min_first_time_start        timestamptz
-- $43  max_first_time_start        timestamptz
-- $44  min_last_time_start         timestamptz
-- $45  max_last_time_start         timestamptz
-- $46  is_new                      boolean
-- $47  is_variable                 boolean
-- $48  sort                        text         a statistic without min_, or id
-- $49  is_ascending                boolean
-- $50  after_key                   float8       last of the previous page
-- $51  after_id                    bigint
-- $52  limit                       int          [-]
-- $53  tag                         text         that the source has
-- $54  state                       text         candidate, confirmed or dormant, as of now
-- $55  min_spectral_index          float8       [-]
-- $56  max_spectral_index          float8       [-]
-- $57  min_nearest_source_arcsec   float8       [arcsec]
-- $58  max_nearest_source_arcsec   float8       [arcsec]
-- Null leaves a filter out; a source without the statistic that orders the list is not in it.
-- Values are those of the last refresh (statistics_refresh).
-- Indexes, as the plan is made for the parameters: of a cone, source (stream_id, zone, search_ra,
-- search_dec); of all, source_statistics by eta, v, n_datapoints, flux_int_max_jy, snr_max and
-- last_time_start_s, and the other orders scan that table.
with candidate as (
    -- A branch whose `is_cone` is not asked for is not in the plan; a condition of its own would
    -- hide its indexes from the order.
    select
        source_statistics.*,
        false as is_cone
    from source_statistics
    union all
    select
        statistics.*,
        true as is_cone
    from stream
    cross join unnest($1::smallint[], $2::float8[], $3::float8[]) as box (zone, ra_low, ra_high)
    inner join source
        on
            stream.id = source.stream_id
            and box.zone = source.zone
            and source.search_ra between box.ra_low and box.ra_high
            and source.search_dec between $4::float8 and $5::float8
    inner join source_statistics as statistics on source.id = statistics.source_id
    where
        ($9::text is null or stream.name = $9)
        and sind((source.dec - $7::float8) / 2) ^ 2
        + cosd(source.dec) * cosd($7::float8) * sind((source.ra - $6::float8) / 2) ^ 2
        <= sind($8::float8 / 2) ^ 2 + 1e-15
),

keyed as (
    select
        statistics.*,
        stream.name as stream,
        stream.systematic_position_error_deg,
        case $48::text
            when 'n_datapoints' then statistics.n_datapoints::float8
            when 'n_forced' then statistics.n_forced::float8
            when 'eta' then statistics.eta
            when 'v' then statistics.v
            when 'eta_peak' then statistics.eta_peak
            when 'v_peak' then statistics.v_peak
            when 'eta_blind' then statistics.eta_blind
            when 'v_blind' then statistics.v_blind
            when 'eta_peak_blind' then statistics.eta_peak_blind
            when 'v_peak_blind' then statistics.v_peak_blind
            when 'flux_int_mean_jy' then statistics.flux_int_mean_jy
            when 'flux_int_max_jy' then statistics.flux_int_max_jy
            when 'flux_int_last_jy' then statistics.flux_int_last_jy
            when 'flux_peak_mean_jy_beam' then statistics.flux_peak_mean_jy_beam
            when 'flux_peak_last_jy_beam' then statistics.flux_peak_last_jy_beam
            when 'snr_max' then statistics.snr_max
            when 'spectral_index' then statistics.spectral_index
            when 'nearest_source_arcsec' then statistics.nearest_source_arcsec
            when 'first_time_start' then statistics.first_time_start_s
            when 'last_time_start' then statistics.last_time_start_s
            else statistics.source_id::float8
        end as sort_key
    from candidate as statistics
    inner join stream on statistics.stream_id = stream.id
    where
        statistics.is_cone = ($1 is not null)
        and ($9::text is null or stream.name = $9)
        and ($10::int is null or statistics.n_datapoints::float8 >= $10::float8)
        and ($11::int is null or statistics.n_datapoints::float8 <= $11::float8)
        and ($12::int is null or statistics.n_forced >= $12)
        and ($13::int is null or statistics.n_forced <= $13)
        and ($14::float8 is null or statistics.eta >= $14)
        and ($15::float8 is null or statistics.eta <= $15)
        and ($16::float8 is null or statistics.v >= $16)
        and ($17::float8 is null or statistics.v <= $17)
        and ($18::float8 is null or statistics.eta_peak >= $18)
        and ($19::float8 is null or statistics.eta_peak <= $19)
        and ($20::float8 is null or statistics.v_peak >= $20)
        and ($21::float8 is null or statistics.v_peak <= $21)
        and ($22::float8 is null or statistics.eta_blind >= $22)
        and ($23::float8 is null or statistics.eta_blind <= $23)
        and ($24::float8 is null or statistics.v_blind >= $24)
        and ($25::float8 is null or statistics.v_blind <= $25)
        and ($26::float8 is null or statistics.eta_peak_blind >= $26)
        and ($27::float8 is null or statistics.eta_peak_blind <= $27)
        and ($28::float8 is null or statistics.v_peak_blind >= $28)
        and ($29::float8 is null or statistics.v_peak_blind <= $29)
        and ($30::float8 is null or statistics.flux_int_mean_jy >= $30)
        and ($31::float8 is null or statistics.flux_int_mean_jy <= $31)
        and ($32::float8 is null or statistics.flux_int_max_jy >= $32)
        and ($33::float8 is null or statistics.flux_int_max_jy <= $33)
        and ($34::float8 is null or statistics.flux_int_last_jy >= $34)
        and ($35::float8 is null or statistics.flux_int_last_jy <= $35)
        and ($36::float8 is null or statistics.flux_peak_mean_jy_beam >= $36)
        and ($37::float8 is null or statistics.flux_peak_mean_jy_beam <= $37)
        and ($38::float8 is null or statistics.flux_peak_last_jy_beam >= $38)
        and ($39::float8 is null or statistics.flux_peak_last_jy_beam <= $39)
        and ($40::float8 is null or statistics.snr_max >= $40)
        and ($41::float8 is null or statistics.snr_max <= $41)
        and ($55::float8 is null or statistics.spectral_index >= $55)
        and ($56::float8 is null or statistics.spectral_index <= $56)
        and ($57::float8 is null or statistics.nearest_source_arcsec >= $57)
        and ($58::float8 is null or statistics.nearest_source_arcsec <= $58)
        and ($42::timestamptz is null or statistics.first_time_start_s >= extract(epoch from $42)::float8)
        and ($43::timestamptz is null or statistics.first_time_start_s <= extract(epoch from $43)::float8)
        and ($44::timestamptz is null or statistics.last_time_start_s >= extract(epoch from $44)::float8)
        and ($45::timestamptz is null or statistics.last_time_start_s <= extract(epoch from $45)::float8)
        and ($46::boolean is null or statistics.is_new = $46)
        and ($47::boolean is null or statistics.is_variable = $47)
        and (
            $54::text is null
            or exists (
                select
                from source as known
                where
                    known.id = statistics.source_id
                    and source_state(known) = $54
            )
        )
        and (
            $53::text is null
            or statistics.source_id in (
                select source_tag.source_id from source_tag
                where source_tag.tag = $53
            )
        )
),

page as (
    select keyed.*
    from keyed
    where
        keyed.sort_key is not null
        and (
            $50::float8 is null
            or ($49::boolean and (keyed.sort_key, keyed.source_id) > ($50, $51::bigint))
            or (not $49 and (keyed.sort_key, keyed.source_id) < ($50, $51))
        )
    order by
        case when $49 then keyed.sort_key end,
        case when $49 then keyed.source_id end,
        case when not $49 then keyed.sort_key end desc,
        case when not $49 then keyed.source_id end desc
    limit $52::int
)

select
    page.source_id as id,
    source.parent_source_id,
    page.stream,
    source.ra,
    source.dec,
    source.weight_ra,
    source.weight_dec,
    page.systematic_position_error_deg,
    page.n_datapoints,
    page.n_forced,
    page.eta,
    page.v,
    page.eta_peak,
    page.v_peak,
    page.eta_blind,
    page.v_blind,
    page.eta_peak_blind,
    page.v_peak_blind,
    page.flux_int_mean_jy,
    page.flux_int_max_jy,
    page.flux_int_last_jy,
    page.flux_peak_mean_jy_beam,
    page.flux_peak_last_jy_beam,
    page.snr_max,
    page.spectral_index,
    page.nearest_source_arcsec,
    page.is_new,
    page.is_variable,
    source_state(source) as state,
    source.first_time_start,
    to_timestamp(page.last_time_start_s) as last_time_start,
    page.sort_key
from page
inner join source on page.source_id = source.id
order by
    case when $49 then page.sort_key end,
    case when $49 then page.source_id end,
    case when not $49 then page.sort_key end desc,
    case when not $49 then page.source_id end desc

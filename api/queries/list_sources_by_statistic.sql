-- Return a page of sources, filtered and ordered by any statistic.
--
-- $1   stream                      text
-- $2   min_n_datapoints            int          [-]
-- $3   max_n_datapoints            int          [-]
-- $4   min_n_forced                int          [-]
-- $5   max_n_forced                int          [-]
-- $6   min_eta                     float8       [-]
-- $7   max_eta                     float8       [-]
-- $8   min_v                       float8       [-]
-- $9   max_v                       float8       [-]
-- $10  min_eta_peak                float8       [-]
-- $11  max_eta_peak                float8       [-]
-- $12  min_v_peak                  float8       [-]
-- $13  max_v_peak                  float8       [-]
-- $14  min_eta_blind               float8       [-]
-- $15  max_eta_blind               float8       [-]
-- $16  min_v_blind                 float8       [-]
-- $17  max_v_blind                 float8       [-]
-- $18  min_eta_peak_blind          float8       [-]
-- $19  max_eta_peak_blind          float8       [-]
-- $20  min_v_peak_blind            float8       [-]
-- $21  max_v_peak_blind            float8       [-]
-- $22  min_flux_int_mean_jy        float8       [Jy]
-- $23  max_flux_int_mean_jy        float8       [Jy]
-- $24  min_flux_int_max_jy         float8       [Jy]
-- $25  max_flux_int_max_jy         float8       [Jy]
-- $26  min_flux_int_last_jy        float8       [Jy]
-- $27  max_flux_int_last_jy        float8       [Jy]
-- $28  min_flux_peak_mean_jy_beam  float8       [Jy/beam]
-- $29  max_flux_peak_mean_jy_beam  float8       [Jy/beam]
-- $30  min_flux_peak_last_jy_beam  float8       [Jy/beam]
-- $31  max_flux_peak_last_jy_beam  float8       [Jy/beam]
-- $32  min_snr_max                 float8       [-]
-- $33  max_snr_max                 float8       [-]
-- $34  min_first_time_start        timestamptz
-- $35  max_first_time_start        timestamptz
-- $36  min_last_time_start         timestamptz
-- $37  max_last_time_start         timestamptz
-- $38  is_new                      boolean
-- $39  is_variable                 boolean
-- $40  sort                        text         a statistic without min_, or id
-- $41  is_ascending                boolean
-- $42  after_key                   float8       last of the previous page
-- $43  after_id                    bigint
-- $44  limit                       int          [-]
-- $45  tag                         text         that the source has
-- $46  state                       text         candidate, confirmed or dormant, as of now
-- $47  min_spectral_index          float8       [-]
-- $48  max_spectral_index          float8       [-]
-- $49  min_nearest_source_arcsec   float8       [arcsec]
-- $50  max_nearest_source_arcsec   float8       [arcsec]
-- Null leaves a filter out; a source without the statistic that orders the list is not in it.
-- Values are those of the last refresh (statistics_refresh).
-- Index: source_statistics by eta, v, n_datapoints, flux_int_max_jy, snr_max and last_time_start_s, if
-- the plan is made for the parameters; the others scan that table.
with keyed as (
    select
        statistics.*,
        stream.name as stream,
        stream.systematic_position_error_deg,
        case $40::text
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
    from source_statistics as statistics
    inner join stream on statistics.stream_id = stream.id
    where
        ($1::text is null or stream.name = $1)
        and ($2::int is null or statistics.n_datapoints::float8 >= $2::float8)
        and ($3::int is null or statistics.n_datapoints::float8 <= $3::float8)
        and ($4::int is null or statistics.n_forced >= $4)
        and ($5::int is null or statistics.n_forced <= $5)
        and ($6::float8 is null or statistics.eta >= $6)
        and ($7::float8 is null or statistics.eta <= $7)
        and ($8::float8 is null or statistics.v >= $8)
        and ($9::float8 is null or statistics.v <= $9)
        and ($10::float8 is null or statistics.eta_peak >= $10)
        and ($11::float8 is null or statistics.eta_peak <= $11)
        and ($12::float8 is null or statistics.v_peak >= $12)
        and ($13::float8 is null or statistics.v_peak <= $13)
        and ($14::float8 is null or statistics.eta_blind >= $14)
        and ($15::float8 is null or statistics.eta_blind <= $15)
        and ($16::float8 is null or statistics.v_blind >= $16)
        and ($17::float8 is null or statistics.v_blind <= $17)
        and ($18::float8 is null or statistics.eta_peak_blind >= $18)
        and ($19::float8 is null or statistics.eta_peak_blind <= $19)
        and ($20::float8 is null or statistics.v_peak_blind >= $20)
        and ($21::float8 is null or statistics.v_peak_blind <= $21)
        and ($22::float8 is null or statistics.flux_int_mean_jy >= $22)
        and ($23::float8 is null or statistics.flux_int_mean_jy <= $23)
        and ($24::float8 is null or statistics.flux_int_max_jy >= $24)
        and ($25::float8 is null or statistics.flux_int_max_jy <= $25)
        and ($26::float8 is null or statistics.flux_int_last_jy >= $26)
        and ($27::float8 is null or statistics.flux_int_last_jy <= $27)
        and ($28::float8 is null or statistics.flux_peak_mean_jy_beam >= $28)
        and ($29::float8 is null or statistics.flux_peak_mean_jy_beam <= $29)
        and ($30::float8 is null or statistics.flux_peak_last_jy_beam >= $30)
        and ($31::float8 is null or statistics.flux_peak_last_jy_beam <= $31)
        and ($32::float8 is null or statistics.snr_max >= $32)
        and ($33::float8 is null or statistics.snr_max <= $33)
        and ($47::float8 is null or statistics.spectral_index >= $47)
        and ($48::float8 is null or statistics.spectral_index <= $48)
        and ($49::float8 is null or statistics.nearest_source_arcsec >= $49)
        and ($50::float8 is null or statistics.nearest_source_arcsec <= $50)
        and ($34::timestamptz is null or statistics.first_time_start_s >= extract(epoch from $34)::float8)
        and ($35::timestamptz is null or statistics.first_time_start_s <= extract(epoch from $35)::float8)
        and ($36::timestamptz is null or statistics.last_time_start_s >= extract(epoch from $36)::float8)
        and ($37::timestamptz is null or statistics.last_time_start_s <= extract(epoch from $37)::float8)
        and ($38::boolean is null or statistics.is_new = $38)
        and ($39::boolean is null or statistics.is_variable = $39)
        and (
            $46::text is null
            or exists (
                select
                from source as known
                where
                    known.id = statistics.source_id
                    and source_state(known) = $46
            )
        )
        and (
            $45::text is null
            or statistics.source_id in (
                select source_tag.source_id from source_tag
                where source_tag.tag = $45
            )
        )
),

page as (
    select keyed.*
    from keyed
    where
        keyed.sort_key is not null
        and (
            $42::float8 is null
            or ($41::boolean and (keyed.sort_key, keyed.source_id) > ($42, $43::bigint))
            or (not $41 and (keyed.sort_key, keyed.source_id) < ($42, $43))
        )
    order by
        case when $41 then keyed.sort_key end,
        case when $41 then keyed.source_id end,
        case when not $41 then keyed.sort_key end desc,
        case when not $41 then keyed.source_id end desc
    limit $44::int
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
    case when $41 then page.sort_key end,
    case when $41 then page.source_id end,
    case when not $41 then page.sort_key end desc,
    case when not $41 then page.source_id end desc

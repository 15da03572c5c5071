-- Return a page of transients that pass filters, in any order.
--
-- $1   since        timestamptz
-- $2   until        timestamptz
-- $3   id           bigint       this one only
-- $4   ra           float8       [deg]
-- $5   dec          float8       [deg]
-- $6   radius_deg   float8       [deg]
-- $7   stream       text
-- $8   kind         text
-- $9   state        text
-- $10  min_snr      float8       [-]
-- $11  after_time   timestamptz  last of the previous page, ordered by it
-- $12  after_id     bigint
-- $13  limit        int          [-]
-- $14  max_snr                float8  [-]
-- $15  min_flux_peak_jy_beam  float8  at detection [Jy/beam]
-- $16  max_flux_peak_jy_beam  float8  at detection [Jy/beam]
-- $17  min_eta                float8  of the source, now [-]
-- $18  max_eta                float8  [-]
-- $19  min_v                  float8  of the source, now [-]
-- $20  max_v                  float8  [-]
-- $21  min_n_datapoints       int     of the source, now [-]
-- $22  max_n_datapoints       int     [-]
-- $23  sort                   text    time_detected, or a quantity without min_
-- $24  is_ascending           boolean
-- $25  after_key              float8  quantity of the last one of the previous page
-- Null leaves a filter out; a transient without the quantity that orders the list is not in it.
-- Index: transient (time_detected desc, id desc), if the plan is made for the parameters; other orders
-- scan the transients, which are few.
with keyed as (
    select
        transient.*,
        stream.name as stream,
        coalesce(source.eta, gone.eta) as eta_now,
        coalesce(source.v, gone.v) as v_now,
        coalesce(source.n_datapoints, gone.n_datapoints + gone.n_forced) as n_datapoints,
        coalesce(source.n_forced, gone.n_forced) as n_forced,
        case $23::text
            when 'snr' then transient.snr
            when 'flux_peak_jy_beam' then transient.flux_peak_jy_beam
            when 'eta' then coalesce(source.eta, gone.eta)
            when 'v' then coalesce(source.v, gone.v)
            when 'n_datapoints' then coalesce(source.n_datapoints, gone.n_datapoints + gone.n_forced)::float8
        end as sort_key
    from transient
    left join source on transient.source_id = source.id
    left join archived_source as gone on transient.source_id = gone.id
    inner join stream on transient.stream_id = stream.id
    where
        ($1::timestamptz is null or transient.time_detected >= $1)
        and ($2::timestamptz is null or transient.time_detected < $2)
        and ($3::bigint is null or transient.id = $3)
        and (
            $6::float8 is null
            or sind(transient.dec) * sind($5::float8)
            + cosd(transient.dec) * cosd($5) * cosd(transient.ra - $4::float8) >= cosd($6) - 1e-15
        )
        and ($7::text is null or stream.name = $7)
        and ($8::text is null or transient.kind = $8)
        and ($9::text is null or transient.state = $9)
        and ($10::float8 is null or transient.snr >= $10)
        and ($14::float8 is null or transient.snr <= $14)
        and ($15::float8 is null or transient.flux_peak_jy_beam >= $15)
        and ($16::float8 is null or transient.flux_peak_jy_beam <= $16)
        and ($17::float8 is null or coalesce(source.eta, gone.eta) >= $17)
        and ($18::float8 is null or coalesce(source.eta, gone.eta) <= $18)
        and ($19::float8 is null or coalesce(source.v, gone.v) >= $19)
        and ($20::float8 is null or coalesce(source.v, gone.v) <= $20)
        and ($21::int is null or coalesce(source.n_datapoints, gone.n_datapoints + gone.n_forced) >= $21)
        and ($22::int is null or coalesce(source.n_datapoints, gone.n_datapoints + gone.n_forced) <= $22)
),

page as (
    select keyed.*
    from keyed
    where
        ($23 = 'time_detected' or keyed.sort_key < 'nan')
        and (
            $12::bigint is null
            or (
                $24::boolean
                and (
                    ($23 = 'time_detected' and (keyed.time_detected, keyed.id) > ($11::timestamptz, $12))
                    or (keyed.sort_key, keyed.id) > ($25::float8, $12)
                )
            )
            or (
                not $24
                and (
                    ($23 = 'time_detected' and (keyed.time_detected, keyed.id) < ($11, $12))
                    or (keyed.sort_key, keyed.id) < ($25, $12)
                )
            )
        )
    order by
        case when $24 and $23 = 'time_detected' then keyed.time_detected end,
        case when $24 and $23 <> 'time_detected' then keyed.sort_key end,
        case when $24 then keyed.id end,
        case when not $24 and $23 = 'time_detected' then keyed.time_detected end desc,
        case when not $24 and $23 <> 'time_detected' then keyed.sort_key end desc,
        case when not $24 then keyed.id end desc
    limit $13::int
)

select
    page.id,
    page.source_id,
    page.trig_id,
    page.kind,
    page.state,
    page.retraction_reason as retracted_because,
    page.certainty,
    page.ra,
    page.dec,
    page.ra_err_deg,
    page.dec_err_deg,
    page.time_start,
    page.time_detected,
    page.flux_peak_jy_beam,
    page.snr,
    page.episode as n_episodes,
    page.trigger,
    page.trigger_sigma,
    page.flux_expected_jy_beam,
    page.flux_expected_err_jy_beam,
    page.rate_arcsec_s,
    page.direction_deg,
    coalesce(page.time_peak, page.time_start) as time_peak,
    coalesce(page.flux_peak_max_jy_beam, page.flux_peak_jy_beam) as flux_peak_max_jy_beam,
    page.time_end,
    page.eta_now as eta,
    page.v_now as v,
    page.n_datapoints,
    page.n_forced,
    beside.eta_peak,
    beside.v_peak,
    beside.eta_blind,
    beside.v_blind,
    beside.eta_peak_blind,
    beside.v_peak_blind,
    page.stream,
    (
        select
            coalesce(
                json_agg(
                    json_build_object(
                        'id', alert.id, 'ivorn', alert.ivorn, 'alert_type', alert.alert_type
                    )
                    order by alert.id
                ),
                '[]'
            )::text
        from alert
        where alert.transient_id = page.id
    ) as alerts,
    page.sort_key
from page
cross join lateral source_variability(page.source_id) as beside
order by
    case when $24 and $23 = 'time_detected' then page.time_detected end,
    case when $24 and $23 <> 'time_detected' then page.sort_key end,
    case when $24 then page.id end,
    case when not $24 and $23 = 'time_detected' then page.time_detected end desc,
    case when not $24 and $23 <> 'time_detected' then page.sort_key end desc,
    case when not $24 then page.id end desc

-- Return a page of transients, newest first.
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
-- $11  after_time   timestamptz  last of the previous page
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
-- Null leaves a filter out.
-- Index: transient (time_detected desc, id desc).
select
    transient.id,
    transient.source_id,
    transient.trig_id,
    transient.kind,
    transient.state,
    transient.retraction_reason as retracted_because,
    transient.certainty,
    transient.ra,
    transient.dec,
    transient.ra_err_deg,
    transient.dec_err_deg,
    transient.time_start,
    transient.time_detected,
    transient.flux_peak_jy_beam,
    transient.snr,
    transient.episode as n_episodes,
    transient.trigger,
    transient.trigger_sigma,
    transient.flux_expected_jy_beam,
    transient.flux_expected_err_jy_beam,
    transient.rate_arcsec_s,
    transient.direction_deg,
    coalesce(transient.time_peak, transient.time_start) as time_peak,
    coalesce(transient.flux_peak_max_jy_beam, transient.flux_peak_jy_beam) as flux_peak_max_jy_beam,
    transient.time_end,
    coalesce(source.eta, gone.eta) as eta,
    coalesce(source.v, gone.v) as v,
    coalesce(source.n_datapoints, gone.n_datapoints + gone.n_forced) as n_datapoints,
    coalesce(source.n_forced, gone.n_forced) as n_forced,
    beside.eta_peak,
    beside.v_peak,
    beside.eta_blind,
    beside.v_blind,
    beside.eta_peak_blind,
    beside.v_peak_blind,
    stream.name as stream,
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
        where alert.transient_id = transient.id
    ) as alerts
from transient
left join source on transient.source_id = source.id
left join archived_source as gone on transient.source_id = gone.id
inner join stream on transient.stream_id = stream.id
cross join lateral source_variability(transient.source_id) as beside
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
    and (
        $11::timestamptz is null
        or (transient.time_detected, transient.id) < ($11, $12::bigint)
    )
order by transient.time_detected desc, transient.id desc
limit $13::int

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
    listed.*,
    beside.eta_peak,
    beside.v_peak,
    beside.eta_blind,
    beside.v_blind,
    beside.eta_peak_blind,
    beside.v_peak_blind,
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
        where alert.transient_id = listed.id
    ) as alerts
from
    listed_transients(
        $1::timestamptz,
        $2::timestamptz,
        $3::bigint,
        $4::float8,
        $5::float8,
        $6::float8,
        $7::text,
        $8::text,
        $9::text,
        $10::float8,
        $14::float8,
        $15::float8,
        $16::float8,
        $17::float8,
        $18::float8,
        $19::float8,
        $20::float8,
        $21::int,
        $22::int
    ) as listed
cross join lateral source_variability(listed.source_id) as beside
where
    $11::timestamptz is null
    or (listed.time_detected, listed.id) < ($11, $12::bigint)
order by listed.time_detected desc, listed.id desc
limit $13::int

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
        listed.*,
        case $23::text
            when 'snr' then listed.snr
            when 'flux_peak_jy_beam' then listed.flux_peak_jy_beam
            when 'eta' then listed.eta
            when 'v' then listed.v
            when 'n_datapoints' then listed.n_datapoints::float8
        end as sort_key
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
    page.*,
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
        where alert.transient_id = page.id
    ) as alerts
from page
cross join lateral source_variability(page.source_id) as beside
order by
    case when $24 and $23 = 'time_detected' then page.time_detected end,
    case when $24 and $23 <> 'time_detected' then page.sort_key end,
    case when $24 then page.id end,
    case when not $24 and $23 = 'time_detected' then page.time_detected end desc,
    case when not $24 and $23 <> 'time_detected' then page.sort_key end desc,
    case when not $24 then page.id end desc

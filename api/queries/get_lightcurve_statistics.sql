-- Return statistics of the newest points of a light curve, by band, Stokes parameter, quantity and window.
--
-- $1  source_id    bigint
-- $2  look_back_s  float8[]  lengths of windows that end at the newest point; null: no limit [s]
-- $3  max_points   bigint    newest points to read [-]
-- $4  blind_only   boolean   without forced and monitor points
-- Two passes over the points: eta keeps its digits however bright the source is.
-- Index: detection (source_id, time_start).
with measured as (
    select
        curve.band_id,
        curve.stokes,
        curve.time_start,
        curve.image_key,
        max(curve.time_start) over () as newest,
        unnest(array['flux_int_jy', 'flux_peak_jy_beam']) as quantity,
        unnest(array[curve.flux_int_jy, curve.flux_peak_jy_beam]) as value,
        unnest(array[curve.flux_int_err_jy, curve.flux_peak_err_jy_beam]) as err
    from light_curve($1::bigint, $3::bigint) as curve
    where not $4::boolean or curve.extraction_type = 'blind'
),

point as (
    select measured.*
    from measured
    where measured.err > 0 and measured.err < 'infinity' and abs(measured.value) < 'infinity'
),

compared as (
    select
        point.*,
        wanted.look_back_s,
        avg(point.value) over curve as mean,
        sum(point.value / point.err ^ 2) over curve / sum(1 / point.err ^ 2) over curve as weighted_mean,
        point.value - lag(point.value) over neighbours as difference,
        (point.value + lag(point.value) over neighbours) / 2 as pair_mean,
        sqrt(point.err ^ 2 + lag(point.err) over neighbours ^ 2) as pair_err
    from point
    inner join unnest($2::float8[]) as wanted (look_back_s)
        on
            wanted.look_back_s is null
            or point.time_start > point.newest - wanted.look_back_s * interval '1 second'
    window
        curve as (partition by point.band_id, point.stokes, point.quantity, wanted.look_back_s),
        neighbours as (curve order by point.time_start, point.image_key)
),

summary as (
    select
        compared.band_id,
        compared.stokes,
        compared.quantity,
        compared.look_back_s,
        count(*) as n_datapoints,
        max(compared.value) as largest,
        avg(compared.value) as mean,
        percentile_cont(0.5) within group (order by compared.value) as median,
        sum(((compared.value - compared.weighted_mean) / compared.err) ^ 2) as chi2,
        sum((compared.value - compared.mean) ^ 2) as m2,
        (
            array_agg(
                array[
                    compared.difference / compared.pair_err,
                    compared.difference / nullif(compared.pair_mean, 0)
                ]
                order by abs(compared.difference / compared.pair_err) desc nulls last, compared.time_start
            )
        )[1:1] as pair,
        (
            array_agg(
                compared.time_start
                order by abs(compared.difference / compared.pair_err) desc nulls last, compared.time_start
            )
        )[1] as pair_time_start
    from compared
    group by compared.band_id, compared.stokes, compared.quantity, compared.look_back_s
)

select
    band.freq_eff_hz,
    band.freq_bw_hz,
    summary.stokes,
    summary.quantity,
    summary.look_back_s,
    summary.n_datapoints,
    summary.largest as max,
    summary.mean,
    summary.median,
    case when summary.n_datapoints > 1 then summary.chi2 / (summary.n_datapoints - 1) else 0 end as eta,
    case
        when summary.n_datapoints > 1 and summary.mean <> 0
            then sqrt(summary.m2 / (summary.n_datapoints - 1)) / summary.mean
        else 0
    end as v,
    summary.pair[1][1] as vs,
    summary.pair[1][2] as m,
    case when summary.n_datapoints > 1 then summary.pair_time_start end as pair_time_start
from summary
inner join band on summary.band_id = band.id
order by band.freq_eff_hz, summary.stokes, summary.quantity, summary.look_back_s nulls first

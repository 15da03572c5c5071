-- The points of a light curve that the API gives, so that PostgreSQL itself can write them as JSON or CSV.

create function finite(number float8) returns float8
language sql immutable parallel safe
as $$
select case when abs(number) < 'infinity' then number end
$$;
comment on function finite is 'The number; null if it is undefined or infinite';

create function to_iso(moment timestamptz) returns text
language sql stable
as $$
select
    to_char(
        moment at time zone 'utc',
        case
            when date_trunc('second', moment) = moment then 'YYYY-MM-DD"T"HH24:MI:SS"Z"'
            else 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
        end
    )
$$;
comment on function to_iso is 'The time in ISO 8601, in UTC';

create function light_curve_points(
    wanted_source_id bigint,
    wanted_freq_eff_hz float8,
    n_newest bigint,
    wanted_extraction_type text,
    after_time timestamptz,
    after_freq_eff_hz float8,
    after_stokes text,
    after_image_key bigint,
    after_source_number int,
    n_most int
)
returns table (
    time_start timestamptz,
    exposure_s float8,
    freq_eff_hz float8,
    freq_bw_hz float8,
    stokes text,
    flux_int_jy float8,
    flux_int_err_jy float8,
    flux_peak_jy_beam float8,
    flux_peak_err_jy_beam float8,
    snr float8,
    ra float8,
    "dec" float8, -- noqa: RF06
    extraction_type text,
    quality_flags bigint,
    p_false float8,
    image_id text,
    image_key bigint,
    source_number int
)
language sql stable
as $$
with point as (
    select
        curve.*,
        band.freq_eff_hz,
        band.freq_bw_hz
    from
        light_curve(
            wanted_source_id, case when wanted_freq_eff_hz is null and wanted_extraction_type is null then n_newest end
        ) as curve
    inner join band on curve.band_id = band.id
    where
        (wanted_freq_eff_hz is null or abs(band.freq_eff_hz - wanted_freq_eff_hz) <= 0.01 * wanted_freq_eff_hz)
        and (wanted_extraction_type is null or curve.extraction_type = wanted_extraction_type)
    order by case when n_newest is not null then curve.time_start end desc
    limit n_newest
),

page as (
    select point.*
    from point
    where
        after_time is null
        or (point.time_start, point.freq_eff_hz, point.stokes, point.image_key, point.source_number)
        > (after_time, after_freq_eff_hz, after_stokes, after_image_key, after_source_number)
    order by point.time_start, point.freq_eff_hz, point.stokes, point.image_key, point.source_number
    limit n_most
)

select
    page.time_start,
    image.exposure_s,
    page.freq_eff_hz,
    page.freq_bw_hz,
    page.stokes,
    page.flux_int_jy,
    page.flux_int_err_jy,
    page.flux_peak_jy_beam,
    page.flux_peak_err_jy_beam,
    page.snr,
    page.ra,
    page.dec,
    page.extraction_type,
    page.quality_flags,
    page.p_false,
    image.image_id,
    page.image_key,
    page.source_number
from page
inner join image on page.image_key = image.image_key
order by page.time_start, page.freq_eff_hz, page.stokes, page.image_key, page.source_number
$$;
comment on function light_curve_points is
'Points of a light curve in time order: own, shared, and those of ancestors before the split';

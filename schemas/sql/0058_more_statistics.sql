-- The catalogue is listed by spectral index and by the distance to the nearest other source, too.

alter table source_statistics add column spectral_index float8;
alter table source_statistics add column nearest_source_arcsec float8;
comment on column source_statistics.spectral_index is
'alpha of S ~ freq^alpha over the weighted means of the bands, Stokes I; null: fewer than two bands [-]';
comment on column source_statistics.nearest_source_arcsec is
'Distance to the nearest other source of the stream; null: none within 900 arcsec [arcsec]';
-- It is made anew: what did not change since the last copy would not have these.
truncate source_statistics;

-- A straight line through ln S over ln freq, each weighted by (S / error)^2, as sky.statistics has it.
create function source_spectral_index(wanted_source_id bigint) returns float8
language sql stable
as $$
select sum(point.weight * point.x * point.y) / sum(point.weight * point.x ^ 2)
from (
    select
        usable.y,
        usable.weight,
        usable.freq_eff_hz,
        usable.x - sum(usable.weight * usable.x) over () / sum(usable.weight) over () as x
    from (
        select
            band.freq_eff_hz,
            ln(band.freq_eff_hz) as x,
            ln(each.flux_wmean) as y,
            (each.flux_wmean / each.flux_wmean_err) ^ 2 as weight
        from source_band_variability as each
        inner join band on each.band_id = band.id
        where
            each.source_id = wanted_source_id
            and each.kind = 'int'
            and each.stokes = 'I'
            and each.n_datapoints > 0
            and each.flux_wmean > 0
            and each.flux_wmean < 'infinity'
            and each.flux_wmean_err > 0
            and each.flux_wmean_err < 'infinity'
    ) as usable
) as point
having count(distinct point.freq_eff_hz) > 1
$$;
comment on function source_spectral_index is
'alpha of S ~ freq^alpha of a source, Stokes I; null: no positive fluxes in two bands';

-- Boxes are a little larger than 900 arcsec: the search index follows a drift of 10 arcsec late.
create function nearest_source_arcsec(subject source) returns float8
language sql stable
as $$
with found as (
    select
        2 * 3600 * asind(
            sqrt(
                sind((other.dec - subject.dec) / 2) ^ 2
                + cosd(other.dec) * cosd(subject.dec) * sind((other.ra - subject.ra) / 2) ^ 2
            )
        ) as separation_arcsec
    from unnest(array[-360, 0, 360]) as turn (shift)
    cross join (
        select
            case
                when abs(subject.search_dec) < 89.7 then asind(sind(0.26) / cosd(subject.search_dec))
                else 360
            end as half_width
    ) as box
    inner join source as other
        on
            subject.stream_id = other.stream_id
            and other.zone = any(
                array[
                    floor((subject.search_dec - 0.26) / 0.5),
                    floor(subject.search_dec / 0.5),
                    floor((subject.search_dec + 0.26) / 0.5)
                ]::smallint[]
            )
            and other.search_ra between subject.search_ra + turn.shift - box.half_width
            and subject.search_ra + turn.shift + box.half_width
            and other.search_dec between subject.search_dec - 0.26 and subject.search_dec + 0.26
    where
        other.id <> subject.id
        and subject.search_ra + turn.shift + box.half_width >= 0
        and subject.search_ra + turn.shift - box.half_width <= 360
)

select min(found.separation_arcsec)
from found
where found.separation_arcsec <= 900
$$;
comment on function nearest_source_arcsec is
'Distance of a source to the nearest other one of its stream [arcsec]; null: none within 900 arcsec';

-- A list asks these of each of its rows; sessions that plan for their parameters planned them each time:
-- 0.6 ms a row, and 0.04 ms with a plan that is kept (a million sources).
alter function source_variability set plan_cache_mode = 'force_generic_plan';
alter function source_spectral_index set plan_cache_mode = 'force_generic_plan';
alter function nearest_source_arcsec set plan_cache_mode = 'force_generic_plan';

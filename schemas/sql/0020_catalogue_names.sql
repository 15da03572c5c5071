-- Name and flux density of the sources of reference catalogues, for the alerts near them.

alter table reference_source
add column source_name text,
add column flux_jy float8;
comment on column reference_source.source_name is 'Name in the catalogue; null: it has none';
comment on column reference_source.flux_jy is 'Flux density in the catalogue; null: unknown [Jy]';

drop function near_references(float8, float8, float8);

-- Near a pole or across 0h the searched box is a ring; the distance decides.
create function near_references(
    wanted_ra float8, wanted_dec float8, radius_arcsec float8
) returns table (
    catalogue text,
    source_name text,
    match_ra float8,
    match_dec float8,
    distance_arcsec float8,
    flux_jy float8
)
language plpgsql
stable
as $$
declare
    radius float8 := radius_arcsec / 3600;
    low float8 := wanted_dec - radius;
    high float8 := wanted_dec + radius;
    half_width float8 := 360;
    ra_0_360 float8 := wanted_ra - 360 * floor(wanted_ra / 360);
begin
    if wanted_ra is null or wanted_dec is null then
        return;
    end if;
    if high < 90 and low > -90 then
        half_width := asind(least(1, sind(radius) / cosd(wanted_dec))) * (1 + 1e-9);
    end if;
    return query
    select distinct on (reference_catalogue.name)
        reference_catalogue.name,
        reference_source.source_name,
        reference_source.ra,
        reference_source.dec,
        3600 * 2 * asind(sqrt(least(1, distance.haversine))),
        reference_source.flux_jy
    from reference_catalogue
    cross join
        generate_series(floor(low / 0.5)::int, floor(high / 0.5)::int) as wanted_zone
    cross join lateral (
        values
        (ra_0_360 - half_width, ra_0_360 + half_width),
        (ra_0_360 - half_width + 360, ra_0_360 + half_width + 360),
        (ra_0_360 - half_width - 360, ra_0_360 + half_width - 360)
    ) as box (ra_low, ra_high)
    inner join reference_source
        on
            reference_catalogue.id = reference_source.catalogue_id
            and reference_source.zone = wanted_zone
            and reference_source.ra between box.ra_low and box.ra_high
            and reference_source.dec between low and high
    cross join lateral (
        select
            sind((reference_source.dec - wanted_dec) / 2) ^ 2
            + cosd(reference_source.dec) * cosd(wanted_dec)
            * sind((reference_source.ra - ra_0_360) / 2) ^ 2 as haversine
    ) as distance
    where distance.haversine <= sind(radius / 2) ^ 2
    order by reference_catalogue.name, distance.haversine;
end
$$;
comment on function near_references is
'Nearest source of each reference catalogue within a radius of a position';

-- What an alert says beside its event: images of the timestep, near sources of reference
-- catalogues, false alarms of the stream, a name for the family.

create index on image (timestep_id);
create index on image (stream_id, time_start);
create index on transient (stream_id, time_start) where state = 'retracted';

-- Near a pole or across 0h the searched box is a ring; the distance decides.
create function near_references(
    wanted_ra float8, wanted_dec float8, radius_arcsec float8
) returns table (catalogue text, match_ra float8, match_dec float8, distance_arcsec float8)
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
        reference_source.ra,
        reference_source.dec,
        3600 * 2 * asind(sqrt(least(1, distance.haversine)))
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

create table event_name (
    year int primary key,
    n_events bigint not null
);
comment on table event_name is 'How many families of alerts have a name of a year';
comment on column event_name.year is 'Year of the first exposure, UTC [-]';
comment on column event_name.n_events is 'Names given so far [-]';

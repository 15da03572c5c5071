-- What was told of a source and when: first, again, taken back.

create table source_event (
    id bigint generated always as identity primary key,
    event_id text not null unique,
    transient_id bigint not null references transient (id) on delete cascade,
    kind text not null check (kind in ('new_source', 'variable', 'update', 'retraction')),
    time_detected timestamptz not null,
    event jsonb not null
);
create index on source_event (transient_id, id);
create index on source_event (time_detected);
comment on table source_event is 'Every event of transients-v1; a number without a value is null';

alter table transient add column last_notified_snr float8;
alter table transient add column last_notified_n_bands int;
alter table transient add column last_notified_time_start timestamptz;
alter table transient add column limit_previous_jy_beam float8;
alter table transient add column n_updates int not null default 0;
alter table transient add column retracted_because text;
comment on column transient.last_notified_snr is 'S/N of the last event; null: of the first [-]';
comment on column transient.last_notified_time_start is
'Start of the exposure of the last event; null: of the first';
comment on column transient.limit_previous_jy_beam is 'Would have been detected there before [Jy/beam]';
comment on column transient.last_notified_n_bands is 'Bands that had seen it by the last event [-]';
create index on transient (image);

alter table alert add column rule text;
comment on column alert.rule is 'Which rule let it through; null for what follows an alert';

-- Sources of other catalogues, which a rule can ask for.
create table reference_catalogue (
    id int generated always as identity primary key,
    name text not null unique,
    n_sources bigint not null,
    time_loaded timestamptz not null default now()
);

create table reference_source (
    catalogue_id int not null references reference_catalogue (id) on delete cascade,
    zone smallint not null,
    ra float8 not null,
    dec float8 not null
);
create index on reference_source (catalogue_id, zone, ra, dec);
comment on column reference_source.zone is 'floor(dec / 0.5) [-]';
comment on column reference_source.ra is 'ICRS, 0 to 360 [deg]';

-- Whether a reference catalogue has a source within so many seconds of arc. Near a pole or
-- across 0h the box is a ring; the distance decides.
create function matches_reference(
    wanted_name text, place_ra float8, place_dec float8, radius_arcsec float8
) returns boolean
language plpgsql
stable
as $$
declare
    radius float8 := radius_arcsec / 3600;
    low float8 := place_dec - radius;
    high float8 := place_dec + radius;
    half float8 := 360;
    around float8 := place_ra - 360 * floor(place_ra / 360);
begin
    if place_ra is null or place_dec is null then
        return false;
    end if;
    if high < 90 and low > -90 then
        half := asind(least(1, sind(radius) / cosd(place_dec))) * (1 + 1e-9);
    end if;
    return exists (
        select 1
        from reference_catalogue
        cross join
            generate_series(floor(low / 0.5)::int, floor(high / 0.5)::int) as wanted_zone
        cross join lateral (
            values
            (around - half, around + half),
            (around - half + 360, around + half + 360),
            (around - half - 360, around + half - 360)
        ) as box (ra_low, ra_high)
        inner join reference_source
            on
                reference_catalogue.id = reference_source.catalogue_id
                and reference_source.zone = wanted_zone
                and reference_source.ra between box.ra_low and box.ra_high
                and reference_source.dec between low and high
        where
            reference_catalogue.name = wanted_name
            and sind((reference_source.dec - place_dec) / 2) ^ 2
            + cosd(reference_source.dec) * cosd(place_dec) * sind((reference_source.ra - around) / 2) ^ 2
            <= sind(radius / 2) ^ 2
    );
end
$$;

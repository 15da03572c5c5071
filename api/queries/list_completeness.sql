-- Count the sources of a reference catalogue, and those among them that the running catalogue has.
--
-- $1  catalogue        text
-- $2  stream           text    null: any
-- $3  radius_arcsec    float8  a source of the running catalogue is as near [arcsec]
-- $4  bins_per_decade  int     of flux density [-]
-- $5  limit            int     sources of the reference catalogue that are compared [-]
-- Index: reference_source (catalogue_id, zone, ra, dec); source (stream_id, zone, search_ra, ...).
-- A position drifts from its place in the search index by far less than the margin of 0.01 deg.
with injected as (
    select
        reference_source.ra,
        reference_source.dec,
        reference_source.flux_jy,
        $3::float8 / 3600 + 0.01 as reach_deg
    from reference_source
    inner join reference_catalogue on reference_source.catalogue_id = reference_catalogue.id
    where
        reference_catalogue.name = $1::text
        and reference_source.flux_jy > 0
    order by reference_source.flux_jy desc
    limit $5::int
),

compared as (
    select
        floor(log(injected.flux_jy) * $4::int)::int as bin,
        exists(
            select 1
            from source
            inner join stream on source.stream_id = stream.id
            where
                ($2::text is null or stream.name = $2)
                and source.zone between floor((injected.dec - injected.reach_deg) / 0.5)::smallint
                and floor((injected.dec + injected.reach_deg) / 0.5)::smallint
                and sind((source.dec - injected.dec) / 2) ^ 2
                + cosd(source.dec) * cosd(injected.dec) * sind((source.ra - injected.ra) / 2) ^ 2
                <= sind($3::float8 / 7200) ^ 2
        ) as is_found
    from injected
)

select
    10 ^ (compared.bin / $4::float8) as flux_min_jy,
    10 ^ ((compared.bin + 1) / $4::float8) as flux_max_jy,
    count(*) as n_injected,
    count(*) filter (where compared.is_found) as n_found
from compared
group by compared.bin
order by compared.bin

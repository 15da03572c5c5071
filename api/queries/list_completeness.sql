-- Count the sources of a reference catalogue, and those among them that the running catalogue has.
--
-- $1  catalogue        text
-- $2  stream           text    null: any
-- $3  radius_arcsec    float8  a source of the running catalogue is as near [arcsec]
-- $4  bins_per_decade  int     of flux density [-]
-- $5  limit            int     sources of the reference catalogue that are compared [-]
-- Index: source (stream_id, zone, search_ra, search_dec).
-- The search index follows a drift only beyond 10 arcsec: its boxes are larger by as much.
with injected as (
    select
        reference_source.ra,
        reference_source.dec,
        reference_source.flux_jy,
        ($3::float8 + 10) / 3600 as reach_deg
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
            from cone_boxes(injected.ra, injected.dec, injected.reach_deg) as box
            cross join stream
            -- Kept apart by its order: no plan reads the sources of a stream first.
            cross join
                lateral (
                    select
                        source.ra,
                        source.dec
                    from source
                    where
                        source.stream_id = stream.id
                        and source.zone = box.zone
                        and source.search_ra between box.ra_low and box.ra_high
                        and source.search_dec between injected.dec - injected.reach_deg
                        and injected.dec + injected.reach_deg
                    order by source.id
                ) as near
            where
                ($2::text is null or stream.name = $2)
                and sind((near.dec - injected.dec) / 2) ^ 2
                + cosd(near.dec) * cosd(injected.dec) * sind((near.ra - injected.ra) / 2) ^ 2
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

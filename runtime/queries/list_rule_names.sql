-- Return the names that rules may use: reference catalogues, streams and telescopes.
--
-- Index: image (telescope), one row a name; the other tables are scanned, a row a name.
with recursive telescope (name) as (
    select min(image.telescope) as name
    from image
    union all
    select (
        select min(image.telescope) as name
        from image
        where image.telescope > telescope.name
    ) as name
    from telescope
    where telescope.name is not null
)

select
    'catalogue' as kind,
    reference_catalogue.name
from reference_catalogue
union all
select
    'stream' as kind,
    stream.name
from stream
union all
select
    'telescope' as kind,
    telescope.name
from telescope
where telescope.name is not null

-- Return the names of the telescopes that images have named so far.
--
-- Index: image (telescope), one row a name.
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

select telescope.name
from telescope
where telescope.name is not null
order by telescope.name
limit 1000

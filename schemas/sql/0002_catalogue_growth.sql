-- Light curves as one function, sky coverage by cells.

-- The points of a light curve: a source's own, those it shares with another source (n-1), and
-- those of its ancestors from before it split off; of each of these at most the newest so many.
create function light_curve(wanted_source_id bigint, n_newest bigint) returns setof detection
language sql stable
as $$
with recursive ancestor as (
    select
        source.id,
        source.parent_source_id,
        source.first_time_start,
        source.first_image,
        'infinity'::timestamptz as until_time,
        0::bigint as until_image
    from source
    where source.id = wanted_source_id
    union all
    select
        parent.id,
        parent.parent_source_id,
        parent.first_time_start,
        parent.first_image,
        ancestor.first_time_start as until_time,
        ancestor.first_image as until_image
    from ancestor
    inner join source as parent on ancestor.parent_source_id = parent.id
)

select own.*
from ancestor
cross join lateral (
    select detection.*
    from detection
    where
        detection.source_id = ancestor.id
        and detection.time_start <= ancestor.until_time
        and (detection.time_start, detection.image) < (ancestor.until_time, ancestor.until_image)
    order by detection.time_start desc
    limit n_newest
) as own
union all
select shared.*
from ancestor
cross join lateral (
    select detection.*
    from shared_detection
    inner join detection
        on
            shared_detection.time_start = detection.time_start
            and shared_detection.image = detection.image
            and shared_detection.source_number = detection.source_number
    where
        shared_detection.source_id = ancestor.id
        and shared_detection.time_start <= ancestor.until_time
        and (shared_detection.time_start, shared_detection.image)
        < (ancestor.until_time, ancestor.until_image)
    order by shared_detection.time_start desc
    limit n_newest
) as shared
$$;
comment on function light_curve is 'Points of a source; n_newest null: all of them';

-- Which earlier image looked deepest at each HEALPix cell: as many rows as the sky has cells,
-- however many fields a drift scan makes. Sky coverage before this migration is forgotten: the
-- next image of each field brings it back.
drop table deepest_look;
create table sky_look (
    band_id int not null references band (id),
    stokes text not null,
    cell bigint not null,
    image bigint not null references image (id),
    rms_jy_beam float8 not null,
    primary key (band_id, stokes, cell)
) with (fillfactor = 70);
comment on table sky_look is 'The deepest earlier image of each cell of the sky, band and Stokes parameter';
comment on column sky_look.cell is '4 * 4^order + nested HEALPix pixel (NUNIQ) [-]';
comment on column sky_look.rms_jy_beam is 'Its rms in the middle of what it shows of the cell [Jy/beam]';

-- Return what a stream has at places and times, in their order: images, what was announced there, the verdict
-- of looking back, and sources.
--
-- $1  stream_id   int
-- $2  ra          float8[]       [deg]
-- $3  dec         float8[]       [deg]
-- $4  time_start  timestamptz[]
-- $5  radius_deg  float8         [deg]
-- $6  tolerance   interval       of the times
-- Indexes: source (stream_id, zone, search_ra, search_dec).
with place as (
    select
        row_in.number,
        row_in.ra,
        row_in.dec,
        row_in.time_start
    from
        unnest($2::float8[], $3::float8[], $4::timestamptz[])
        with ordinality as row_in (ra, dec, time_start, number)
)

select
    images.n_images,
    images.n_accepted,
    images.reasons,
    announced.kind as other_kind,
    announced.state as other_state,
    sources.n_sources,
    sources.verdict,
    archived.n_archived
from place
cross join
    lateral (
        select
            count(*) as n_images,
            count(*) filter (where image.verdict = 'accepted') as n_accepted,
            coalesce(
                array(
                    select distinct code.reasons
                    from image as rejected
                    cross join unnest(rejected.reasons) as code (reasons)
                    where
                        rejected.stream_id = $1
                        and rejected.time_start
                        between place.time_start - $6::interval and place.time_start + $6
                    order by code.reasons
                ),
                '{}'
            ) as reasons
        from image
        where
            image.stream_id = $1::int
            and image.time_start between place.time_start - $6 and place.time_start + $6
    ) as images
left join
    lateral (
        select
            transient.kind,
            transient.state
        from transient
        where
            transient.stream_id = $1
            and transient.time_start between place.time_start - $6 and place.time_start + $6
            and sind((transient.dec - place.dec) / 2) ^ 2
            + cosd(transient.dec) * cosd(place.dec) * sind((transient.ra - place.ra) / 2) ^ 2
            <= sind($5 / 2) ^ 2
        order by transient.id
        limit 1
    ) as announced
    on true
cross join
    lateral (
        select
            count(*) as n_sources,
            max(look_back.verdict) as verdict
        from source
        left join look_back on source.id = look_back.source_id
        where
            source.stream_id = $1
            and source.zone between floor((place.dec - $5::float8 - 0.01) * 2)
            and floor((place.dec + $5 + 0.01) * 2)
            and sind((source.dec - place.dec) / 2) ^ 2
            + cosd(source.dec) * cosd(place.dec) * sind((source.ra - place.ra) / 2) ^ 2
            <= sind($5 / 2) ^ 2
    ) as sources
cross join
    lateral (
        select count(*) as n_archived
        from archived_source
        where
            archived_source.stream_id = $1
            and sind((archived_source.dec - place.dec) / 2) ^ 2
            + cosd(archived_source.dec) * cosd(place.dec) * sind((archived_source.ra - place.ra) / 2) ^ 2
            <= sind($5 / 2) ^ 2
    ) as archived
order by place.number

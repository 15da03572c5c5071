-- Return the sources that a source is related to: by descent, by shared measurements, by place.
--
-- $1  source_id      bigint
-- $2  zone           smallint[]  disjoint boxes of the search index around its position
-- $3  ra_low         float8[]    [deg]
-- $4  ra_high        float8[]    [deg]
-- $5  dec_low        float8      [deg]
-- $6  dec_high       float8      [deg]
-- $7  radius_arcsec  float8      [arcsec]
-- $8  limit          int         [-]
-- Index: source (stream_id, zone, search_ra, search_dec), (parent_source_id); shared_detection's key.
with recursive ancestor as (
    select source.parent_source_id as id
    from source
    where source.id = $1::bigint
    union
    select source.parent_source_id as id
    from ancestor
    inner join source on ancestor.id = source.id
),

subject as (
    select source.*
    from source
    where source.id = $1::bigint
),

relation as (
    select
        ancestor.id,
        'ancestor' as kind
    from ancestor
    union all
    select
        source.id,
        'child' as kind
    from source
    where source.parent_source_id = $1::bigint
    union all
    select
        detection.source_id as id,
        'shared' as kind
    from subject
    inner join shared_detection on subject.id = shared_detection.source_id
    inner join detection
        on
            subject.stream_id = detection.stream_id
            and shared_detection.time_start = detection.time_start
            and shared_detection.image_key = detection.image_key
            and shared_detection.source_number = detection.source_number
    group by detection.source_id
    union all
    select
        neighbour.id,
        'neighbour' as kind
    from subject
    cross join unnest($2::smallint[], $3::float8[], $4::float8[]) as box (zone, ra_low, ra_high)
    inner join source as neighbour
        on
            subject.stream_id = neighbour.stream_id
            and box.zone = neighbour.zone
            and neighbour.search_ra between box.ra_low and box.ra_high
            and neighbour.search_dec between $5::float8 and $6::float8
),

measured as (
    select
        relation.kind,
        related.id,
        related.ra,
        related.dec,
        related.n_datapoints,
        related.eta,
        related.v,
        3600 * 2 * asind(
            sqrt(
                least(
                    1,
                    sind((related.dec - subject.dec) / 2) ^ 2
                    + cosd(related.dec) * cosd(subject.dec) * sind((related.ra - subject.ra) / 2) ^ 2
                )
            )
        ) as separation_arcsec
    from relation
    inner join source as related on relation.id = related.id
    cross join subject
    where related.id <> subject.id
)

select
    measured.id,
    array_agg(measured.kind order by measured.kind) as relations,
    measured.separation_arcsec,
    measured.ra,
    measured.dec,
    measured.n_datapoints,
    measured.eta,
    measured.v
from measured
where
    measured.kind <> 'neighbour'
    or measured.separation_arcsec <= $7::float8
group by
    measured.id,
    measured.separation_arcsec,
    measured.ra,
    measured.dec,
    measured.n_datapoints,
    measured.eta,
    measured.v
order by measured.separation_arcsec, measured.id
limit $8::int

-- Return how much a stream had searched until a time: independent beams and sources in the images of
-- its last hour, and how long it was observed, at most 30 days.
--
-- $1  stream  text
-- $2  until   timestamptz  start of the last exposure that counts
-- Index: image (stream_id, time_start).
select
    coalesce(sum(
        2 * image.field_radius_deg ^ 2 / (1.1331 * image.beam_major_deg * image.beam_minor_deg)
    ), 0)::float8 as n_beams,
    coalesce(sum(image.n_sources), 0)::float8 as n_tests,
    max(observed.n_days)::float8 as n_days
from stream
cross join
    lateral (
        select
            max(looked.time_start) as newest,
            least(30, extract(epoch from max(looked.time_start) - min(looked.time_start)) / 86400) as n_days
        from image as looked
        where
            looked.stream_id = stream.id
            and looked.time_start <= $2::timestamptz
    ) as observed
inner join image
    on
        stream.id = image.stream_id
        and image.time_start > observed.newest - interval '1 hour'
        and observed.newest >= image.time_start
        and image.verdict = 'accepted'
where stream.name = $1::text

-- Return of each band of a stream the peaks of negated images in the 30 days until a time, at most of
-- 1000 images: their S/N, ascending, how many peaks each stands for, and in how many days.
--
-- $1  stream  text
-- $2  until   timestamptz  start of the last exposure that counts
-- Indexes: image (stream_id, band_id, time_start), one where it was searched, one where it has some.
select
    band.id as band_id,
    (
        extract(
            epoch from
            searched.time_last
            - case when found.n_images < 1000 then searched.time_first else found.time_first end
        )
        / 86400
    )::float8 as n_days,
    found.snr,
    found.n_peaks
from stream
inner join band on stream.id = band.stream_id
cross join
    lateral (
        select
            min(image.time_start) as time_first,
            max(image.time_start) as time_last
        from image
        where
            image.stream_id = stream.id
            and image.band_id = band.id
            and image.n_negative_peaks is not null
            and image.time_start > $2::timestamptz - interval '30 days'
            and image.time_start <= $2
    ) as searched
cross join
    lateral (
        select
            count(*) filter (where listed.place = 1) as n_images,
            min(negative.time_start) as time_first,
            coalesce(array_agg(listed.negative_snr order by listed.negative_snr), '{}') as snr,
            -- The last one stands for those that are too many to be listed.
            coalesce(
                array_agg(
                    case
                        when listed.place < cardinality(negative.negative_snr) then 1
                        else negative.n_negative_peaks - cardinality(negative.negative_snr) + 1
                    end
                    order by listed.negative_snr
                ),
                '{}'
            ) as n_peaks
        from
            (
                select
                    image.time_start,
                    image.n_negative_peaks,
                    image.negative_snr
                from image
                where
                    image.stream_id = stream.id
                    and image.band_id = band.id
                    and image.n_negative_peaks > 0
                    and image.time_start > $2 - interval '30 days'
                    and image.time_start <= $2
                order by image.time_start desc
                limit 1000
            ) as negative
        cross join lateral unnest(negative.negative_snr) with ordinality as listed (negative_snr, place)
    ) as found
where
    stream.name = $1::text
    and searched.time_last is not null

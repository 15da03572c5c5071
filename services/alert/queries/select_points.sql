-- Return the newest 200 measurements of sources of a stream in the 30 days until a time, the newest
-- first.
--
-- $1  stream_id  int
-- $2  source_id  bigint[]
-- $3  until      timestamptz[]  start of the last exposure that counts
-- $4  earliest   timestamptz    the first of these
-- $5  latest     timestamptz    the last of these
-- Index: detection (source_id, time_start). A plan for values has the partitions of one stream, and skips its
-- other months: values of the rows that are asked for would leave it all streams.
select
    asked.number::int - 1 as number,
    point.*
from
    unnest($2::bigint[], $3::timestamptz[])
    with ordinality as asked (source_id, until, number)
cross join
    lateral (
        select
            image.image_key,
            image.image_id,
            detection.band_id,
            detection.time_start,
            image.exposure_s,
            image.freq_eff_hz,
            image.freq_bw_hz,
            detection.stokes,
            detection.extraction_type,
            detection.flux_peak_jy_beam,
            detection.flux_peak_err_jy_beam,
            detection.flux_int_jy,
            detection.flux_int_err_jy,
            detection.snr,
            detection.rms_local_jy_beam,
            image.detection_threshold_sigma as threshold_sigma
        from detection
        inner join image on detection.image_key = image.image_key
        where
            detection.stream_id = $1::int
            and detection.time_start > $4::timestamptz - interval '30 days'
            and detection.time_start <= $5::timestamptz
            and detection.source_id = asked.source_id
            and detection.time_start > asked.until - interval '30 days'
            and detection.time_start <= asked.until
        order by detection.time_start desc, image.freq_eff_hz asc
        limit 200
    ) as point
order by asked.number asc, point.time_start desc, point.freq_eff_hz asc

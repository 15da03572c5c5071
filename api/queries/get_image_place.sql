-- Return where the pixels of an image were read from and archived, and what a cutout says of it.
--
-- $1  id        bigint
-- $2  image_id  text    sha256, instead of the id; of two streams that have it, the last one's
-- Index: the primary key; image_id without its stream is a scan of the index (stream_id, image_id).
select
    image.image_key as id,
    image.image_id,
    image.verdict,
    image.kafka_cluster_id,
    image.kafka_topic,
    image.kafka_partition,
    image.kafka_offset,
    image.time_appended,
    image.wcs_header,
    image.time_start,
    image.exposure_s,
    image.freq_eff_hz,
    image.freq_bw_hz,
    image.stokes,
    image.beam_major_deg,
    image.beam_minor_deg,
    image.beam_pa_deg,
    image.rms_jy_beam,
    archived_image.name as archive_name,
    archived_image.time_gone as archive_time_gone,
    archived_image.gone_reason as archive_gone_reason
from image
left join archived_image on image.image_id = archived_image.image_id
where
    image.image_key = $1::bigint
    or image.image_id = $2::text
order by image.image_key desc
limit 1

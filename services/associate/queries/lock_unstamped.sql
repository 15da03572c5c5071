-- Lock transients whose stamps nobody has asked for, with the image of their detection.
--
-- $1  limit  int  [-]
-- Index: transient (id) where needs_stamps.
select
    transient.id as transient_id,
    transient.trig_id,
    transient.source_id,
    transient.stream_id,
    stream.name as stream,
    transient.ra,
    transient.dec,
    image.image_key,
    image.image_id,
    image.band_id,
    image.time_start,
    image.freq_eff_hz,
    image.stokes,
    image.rms_jy_beam,
    image.wcs_header,
    image.width_px,
    image.height_px,
    image.kafka_cluster_id,
    image.kafka_topic,
    image.kafka_partition,
    image.kafka_offset
from transient
inner join image on transient.image_key = image.image_key
inner join stream on transient.stream_id = stream.id
where transient.needs_stamps
order by transient.id
limit $1::int
for update of transient skip locked

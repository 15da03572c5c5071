-- Lock and return the new sources that one image alone has seen, as far as the answer to a forced
-- request has a flux at their places in another band of the same time; what was told of them last.
--
-- $1  stream     text
-- $2  image_id   text      hash of the image that was measured
-- $3  source_id  bigint[]  measured by force
-- $4  tolerance  interval  of the start times of a timestep's images
-- A flux counts as it was stored first, and not at all if the place is not the source's.
-- Indexes: image (stream_id, image_id); transient (source_id, kind); source, image; detection
-- (source_id, time_start) and primary key; source_event (transient_id, id).
select
    last_event.event::text as told,
    seen.flux_peak_jy_beam as seen_flux_peak_jy_beam,
    seen.flux_peak_err_jy_beam as seen_flux_peak_err_jy_beam,
    founder.freq_eff_hz as seen_freq_eff_hz,
    founder.stokes as seen_stokes,
    other.flux_peak_jy_beam,
    other.flux_peak_err_jy_beam,
    image.freq_eff_hz,
    image.stokes
from stream
inner join image
    on
        stream.id = image.stream_id
        and image.image_id = $2::text
        and image.verdict = 'accepted'
inner join transient
    on
        stream.id = transient.stream_id
        and transient.source_id = any($3::bigint[])
        and transient.kind = 'new_source'
        and transient.state = 'active'
        and transient.time_start between image.time_start - $4::interval and image.time_start + $4::interval
-- Every blind detection counts there, those that two sources share too.
inner join source
    on
        transient.source_id = source.id
        and source.n_datapoints = 1
inner join image as founder
    on
        transient.image = founder.id
        and image.band_id <> founder.band_id
        and image.stokes = founder.stokes
inner join detection as seen
    on
        stream.id = seen.stream_id
        and transient.time_start = seen.time_start
        and transient.image = seen.image
        and transient.source_number = seen.source_number
cross join
    lateral (
        select
            detection.flux_peak_jy_beam,
            detection.flux_peak_err_jy_beam
        from detection
        where
            detection.stream_id = stream.id
            and detection.source_id = transient.source_id
            and detection.time_start = image.time_start
            and detection.image = image.id
            and detection.extraction_type = 'forced'
        order by detection.source_number
        limit 1
    ) as other
cross join
    lateral (
        select source_event.event
        from source_event
        where source_event.transient_id = transient.id
        order by source_event.id desc
        limit 1
    ) as last_event
where stream.name = $1::text
order by transient.id
for update of transient

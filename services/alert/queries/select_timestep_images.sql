-- Return the accepted images of the timesteps of images, and the newest 20 before them of the
-- same channel.
--
-- $1  stream    text[]
-- $2  image_id  text[]
-- A candidate is a transient, or a source that the limit calls new and whose look back goes on.
-- Indexes: image (stream_id, image_id), image (timestep_id), image (stream_id, time_start),
-- transient (image_key), look_back (image_key) of those that wait.
select
    asked.image_id as asked_image_id,
    own.stream_id,
    candidates.n_candidates,
    looked.is_earlier,
    looked.image_key,
    looked.image_id,
    looked.band_id,
    looked.time_start,
    looked.exposure_s,
    looked.freq_eff_hz,
    looked.freq_bw_hz,
    looked.stokes,
    looked.wcs_header,
    looked.width_px,
    looked.height_px,
    coalesce(looked.margin_px, 0) as margin_px,
    looked.detection_threshold_sigma as threshold_sigma,
    looked.field_ra,
    looked.field_dec,
    looked.rms_grid_columns,
    case when not looked.is_earlier then looked.rms_grid end as rms_grid
from unnest($1::text[], $2::text[]) as asked (stream, image_id)
inner join stream on asked.stream = stream.name
inner join image as own on stream.id = own.stream_id and asked.image_id = own.image_id
cross join
    lateral (
        select
            (
                (
                    select count(*) from transient
                    where transient.image_key = own.image_key
                )
                + (
                    select count(*) from look_back
                    where
                        look_back.image_key = own.image_key
                        and look_back.verdict is null
                        and not look_back.is_overdue
                        and look_back.is_new_by_limit
                )
            )::int as n_candidates
    ) as candidates
cross join
    lateral (
        (
            select
                image.*,
                false as is_earlier
            from image
            where
                image.timestep_id = own.timestep_id
                and image.stream_id = own.stream_id
                and image.verdict = 'accepted'
            order by image.image_key
            limit 32
        )
        union all
        (
            select
                image.*,
                true as is_earlier
            from image
            where
                image.stream_id = own.stream_id
                and image.time_start < own.time_start
                and image.time_start > own.time_start - interval '30 days'
                and image.band_id = own.band_id
                and image.stokes = own.stokes
                and image.verdict = 'accepted'
            order by image.time_start desc
            limit 20
        )
    ) as looked
order by asked.image_id asc, looked.is_earlier asc, looked.time_start desc

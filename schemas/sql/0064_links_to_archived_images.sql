-- Links to pixels in ivoa.obscore for the images that the archive has, too (ADR 0078).
--
-- livetrap.archive is set in the transaction of each question, as livetrap.retained is: on, where
-- the server that asks can read the archive.

create or replace view ivoa.obscore as
select
    'image' as dataproduct_type,
    2 as calib_level,
    stream.name as obs_collection,
    image.image_id as obs_id,
    'ivo://org.livetrap/image?' || image.image_id as obs_publisher_did,
    case
        when retained.kafka_topic is not null or archived.name is not null
            then current_setting('livetrap.base_url', true) || '/vo/soda/sync?ID=' || image.image_id
    end as access_url,
    case
        when retained.kafka_topic is not null or archived.name is not null
            then 'application/fits'
    end as access_format,
    case
        when retained.kafka_topic is not null
            then 4 * image.width_px::bigint * image.height_px / 1000 + 6
        when archived.name is not null then archived.n_bytes / 1000
    end as access_estsize,
    stream.name as target_name,
    image.field_ra as s_ra,
    image.field_dec as s_dec,
    2 * image.field_radius_deg as s_fov,
    'CIRCLE ICRS ' || image.field_ra || ' ' || image.field_dec || ' ' || image.field_radius_deg as s_region,
    image.width_px as s_xel1,
    image.height_px as s_xel2,
    3600 * image.beam_major_deg as s_resolution,
    extract(epoch from image.time_start)::float8 / 86400 + 40587 as t_min,
    (extract(epoch from image.time_start)::float8 + coalesce(image.exposure_s, 0)) / 86400 + 40587 as t_max,
    image.exposure_s as t_exptime,
    image.exposure_s as t_resolution,
    1 as t_xel,
    299792458 / (image.freq_eff_hz + coalesce(image.freq_bw_hz, 0) / 2) as em_min,
    299792458 / nullif(image.freq_eff_hz - coalesce(image.freq_bw_hz, 0) / 2, 0) as em_max,
    image.freq_eff_hz / nullif(image.freq_bw_hz, 0) as em_res_power,
    1 as em_xel,
    'phot.flux.density;em.radio' as o_ucd,
    '/' || image.stokes || '/' as pol_states,
    1 as pol_xel,
    coalesce(image.telescope, stream.name) as facility_name,
    coalesce(image.telescope, stream.name) as instrument_name
from public.image
inner join public.stream on image.stream_id = stream.id
left join
    jsonb_to_recordset(nullif(current_setting('livetrap.retained', true), '')::jsonb)
        as retained (
            kafka_cluster_id text,
            kafka_topic text,
            kafka_partition int,
            first_offset bigint,
            next_offset bigint
        )
    on
        image.kafka_cluster_id = retained.kafka_cluster_id
        and image.kafka_topic = retained.kafka_topic
        and image.kafka_partition = retained.kafka_partition
        and image.kafka_offset >= retained.first_offset
        and image.kafka_offset < retained.next_offset
        and image.wcs_header is not null
left join
    public.archived_image as archived
    on
        image.image_id = archived.image_id
        and archived.time_gone is null
        and current_setting('livetrap.archive', true) = 'on'
        and image.wcs_header is not null
where image.verdict = 'accepted';

-- A function has no unit.
comment on function cone_boxes is
'Disjoint boxes of the search index (zone, ra) that hold every position within a radius of another';

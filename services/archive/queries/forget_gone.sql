-- Delete what is known of files that went a day ago or before, of images that are deleted, too.
--
-- Indexes: archived_image (time_gone); the unique one on image (stream_id, image_id).
delete from archived_image
where
    archived_image.time_gone < now() - interval '1 day'
    and not exists (
        select
        from stream
        inner join image on stream.id = image.stream_id
        where image.image_id = archived_image.image_id
    )

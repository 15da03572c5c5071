-- Return those of some sources at which no look of an image waits to be judged.
--
-- $1  stream_id  int
-- $2  image_id   text      sha256
-- $3  source_id  bigint[]
-- Indexes: image (stream_id, image_id); the primary key of waiting_timestep.
select measured.source_id
from unnest($3::bigint[]) as measured (source_id)
where
    not exists (
        select
        from image
        inner join waiting_timestep
            on
                image.timestep_id = waiting_timestep.timestep_id
                and image.stream_id = waiting_timestep.stream_id
        where
            image.stream_id = $1::int
            and image.image_id = $2::text
            and measured.source_id = any(waiting_timestep.source_ids)
    )

-- Note that images were measured at sources: of a request, what is still without an answer stays.
--
-- $1  stream_id   int
-- $2  image_id    text[]    sha256
-- $3  source_id   bigint[]  measured in the image of the same place in the array
-- Indexes: image (stream_id, image_id); the primary key.
update waiting_request
set
    source_ids = array(
        select unnest(waiting_request.source_ids) as source_id
        except
        select answer.source_id
        from unnest($2::text[], $3::bigint[]) as answer (image_id, source_id)
        where image.image_id = answer.image_id
        order by source_id
    )
from image
where
    image.stream_id = $1::int
    and image.image_id = any($2)
    and waiting_request.stream_id = $1
    and waiting_request.image_key = image.image_key

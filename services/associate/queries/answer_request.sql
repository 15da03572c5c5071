-- Note that images were measured at sources: of a request, what is still without an answer stays.
--
-- $1  stream_id   int
-- $2  image_id    text[]    sha256
-- $3  source_id   bigint[]  measured in the image of the same place in the array
-- Indexes: image (stream_id, image_id); the primary key.
with answer as (
    select
        image.image_key,
        row_in.source_id
    from unnest($2::text[], $3::bigint[]) as row_in (image_id, source_id)
    inner join image
        on
            image.stream_id = $1::int
            and row_in.image_id = image.image_id
)

update waiting_request
set
    source_ids = array(
        select unnest(waiting_request.source_ids) as source_id
        except
        select answer.source_id
        from answer
        where answer.image_key = waiting_request.image_key
        order by source_id
    )
where
    waiting_request.stream_id = $1
    and waiting_request.image_key in (select answer.image_key from answer)

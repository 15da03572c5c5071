-- Store a remark about a source; return no row if there is no such source.
--
-- $1  source_id  bigint
-- $2  body       text
insert into source_comment (source_id, body, actor)
select
    source.id as source_id,
    $2::text as body,
    current_setting('livetrap.actor') as actor
from source
where source.id = $1::bigint
returning
    source_comment.id,
    source_comment.body,
    source_comment.actor,
    source_comment.time_created

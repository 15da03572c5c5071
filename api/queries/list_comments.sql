-- Return the newest remarks about a source, oldest of them first.
--
-- $1  source_id  bigint
-- $2  limit      int
-- Index: source_comment (source_id, id).
select
    newest.id,
    newest.body,
    newest.actor,
    newest.time_created
from (
    select
        source_comment.id,
        source_comment.body,
        source_comment.actor,
        source_comment.time_created
    from source_comment
    where source_comment.source_id = $1::bigint
    order by source_comment.id desc
    limit $2::int
) as newest
order by newest.id

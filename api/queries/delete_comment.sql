-- Delete a remark; return no row if there is none of this number.
--
-- $1  source_id  bigint
-- $2  id         bigint
-- Index: the primary key.
delete from source_comment
where
    source_comment.source_id = $1::bigint
    and source_comment.id = $2::bigint
returning source_comment.id

-- Take a tag from a source; return no row if it has none of the name.
--
-- $1  source_id  bigint
-- $2  tag        text
-- Index: the unique one on (source_id, tag).
delete from source_tag
where
    source_tag.source_id = $1::bigint
    and source_tag.tag = $2::text
returning source_tag.id

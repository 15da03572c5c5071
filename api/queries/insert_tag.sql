-- Tag a source; return no row if there is no such source.
--
-- $1  source_id  bigint
-- $2  tag        text
-- A source that has the tag keeps it as it is. Index: the unique one on (source_id, tag).
insert into source_tag (source_id, tag, actor)
select
    source.id as source_id,
    $2::text as tag,
    current_setting('livetrap.actor') as actor
from source
where source.id = $1::bigint
on conflict (source_id, tag) do update set tag = excluded.tag
returning
    source_tag.id,
    source_tag.tag,
    source_tag.actor,
    source_tag.time_created

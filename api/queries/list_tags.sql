-- Return the tags of a source in order of their letters.
--
-- $1  source_id  bigint
-- Index: the unique one on (source_id, tag).
select
    source_tag.id,
    source_tag.tag,
    source_tag.actor,
    source_tag.time_created
from source_tag
where source_tag.source_id = $1::bigint
order by source_tag.tag

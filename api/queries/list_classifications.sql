-- Return what a source was classified as, newest first.
--
-- $1  source_id  bigint
-- Index: the unique one on (source_id, origin).
select
    source_classification.id,
    source_classification.classification,
    source_classification.probability,
    source_classification.origin,
    source_classification.note,
    source_classification.actor,
    source_classification.time_created
from source_classification
where source_classification.source_id = $1::bigint
order by source_classification.time_created desc, source_classification.id desc

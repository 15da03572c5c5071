-- Classify a source; return no row if there is no such source.
--
-- $1  source_id       bigint
-- $2  classification  text
-- $3  probability     float8  null: not given [-]
-- $4  origin          text    who or what classifies
-- $5  note            text
-- It replaces what the origin said before. Index: the unique one on (source_id, origin).
insert into source_classification (source_id, classification, probability, origin, note, actor)
select
    source.id as source_id,
    $2::text as classification,
    $3::float8 as probability,
    $4::text as origin,
    $5::text as note,
    current_setting('livetrap.actor') as actor
from source
where source.id = $1::bigint
on conflict (source_id, origin) do update
    set
        classification = excluded.classification,
        probability = excluded.probability,
        note = excluded.note,
        actor = excluded.actor,
        time_created = now()
returning
    source_classification.id,
    source_classification.classification,
    source_classification.probability,
    source_classification.origin,
    source_classification.note,
    source_classification.actor,
    source_classification.time_created

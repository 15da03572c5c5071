-- Lock and return the active new-source transients of some sources, with their last events.
--
-- $1  source_id  bigint[]
-- Indexes: transient (source_id, episode); source_event (transient_id, id).
select
    transient.source_id,
    last_event.event::text as event
from transient
cross join
    lateral (
        select source_event.event
        from source_event
        where source_event.transient_id = transient.id
        order by source_event.id desc
        limit 1
    ) as last_event
where
    transient.source_id = any($1::bigint[])
    and transient.kind = 'new_source'
    and transient.state = 'active'
order by transient.id
for update of transient

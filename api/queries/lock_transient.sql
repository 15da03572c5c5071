-- Lock a transient, and return its last event.
--
-- $1  id  bigint
-- Indexes: the primary key, source_event (transient_id, id).
select
    transient.id,
    transient.state,
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
where transient.id = $1::bigint
for update of transient

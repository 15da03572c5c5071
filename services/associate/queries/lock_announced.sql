-- Lock and return an active transient of a source by its identity, with its last event.
--
-- $1  source_id  bigint
-- $2  trig_id    text
-- Indexes: transient (source_id, episode); source_event (transient_id, id).
select
    transient.id as transient_id,
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
    transient.source_id = $1::bigint
    and transient.trig_id = $2::text
    and transient.state = 'active'
for update of transient

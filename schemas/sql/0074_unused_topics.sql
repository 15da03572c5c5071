-- Topics of deleted subscriptions, which the distribute service deletes later (ADR 0090).

create table unused_topic (
    name text primary key,
    time_unused timestamptz not null default now()
);
comment on table unused_topic is 'Kafka topics of subscriptions that were deleted';
comment on column unused_topic.name is 'Name of the subscription; that of the topic is alerts-<name>';
comment on column unused_topic.time_unused is 'When the subscription was deleted [UTC]';
create trigger audit_unused_topic after insert or update or delete on unused_topic
for each row when (coalesce(current_setting('livetrap.actor', true), '') <> '')
execute function record_write();

-- Those that were deleted before.
insert into unused_topic (name)
select distinct audit.row_before ->> 'name'
from audit
where
    audit.object = 'subscription'
    and audit.action = 'delete'
    and audit.row_before ->> 'channel' = 'kafka'
    and not exists (
        select from subscription
        where
            subscription.name = audit.row_before ->> 'name'
            and subscription.channel = 'kafka'
    );

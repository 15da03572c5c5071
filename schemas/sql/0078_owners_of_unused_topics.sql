-- Topics of deleted subscriptions count among those that their owner may have (ADR 0105).

alter table unused_topic add column owner text not null default '';
comment on column unused_topic.owner is
'Name of the token that made the subscription; empty: deleted before this was kept';
create index on unused_topic (owner);

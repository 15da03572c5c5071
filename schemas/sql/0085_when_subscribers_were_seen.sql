-- Names of VTP subscribers that anybody may choose are forgotten (ADR 122).

alter table subscriber add column time_seen timestamptz not null default now();
comment on column subscriber.time_seen is
'When a VTP subscriber was last known to be connected; of other channels when it first subscribed [UTC]';

-- Alerts as Avro packets with the history of the source; storms that nobody decides about.

alter table alert add column avro_packet bytea;
comment on column alert.avro_packet is
'Avro alert packet with the prefix of a schema registry; null: the alert is older than these';
comment on column alert.time_published is 'When all alert topics on Kafka had it; null: not yet [UTC]';

alter table suppressed_event add column is_released_automatically boolean not null default false;
comment on column suppressed_event.is_released_automatically is
'Whether it was released because no operator had decided about its storm';

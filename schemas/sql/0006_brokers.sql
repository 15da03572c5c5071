-- Other brokers get our alerts, and authors elsewhere submit theirs to us.

alter table subscriber drop constraint subscriber_channel_check;
alter table subscriber add constraint subscriber_channel_check
check (channel in ('vtp', 'webhook', 'email', 'broker'));
comment on column subscriber.since_alert_id is 'Earlier alerts are none of theirs, or done';

-- A channel delivers in order: what it has acknowledged is done.
update subscriber
set
    since_alert_id = greatest(
        subscriber.since_alert_id,
        (
            select max(delivery.alert_id)
            from delivery
            where
                delivery.channel = subscriber.channel
                and delivery.subscriber = subscriber.name
                and delivery.time_acknowledged is not null
        )
    )
where subscriber.channel in ('webhook', 'email');

create table submission (
    id bigint generated always as identity primary key,
    ivorn text not null unique,
    packet bytea not null,
    sha256 text not null,
    peer text not null,
    time_received timestamptz not null default now(),
    time_broadcast timestamptz
);
create index on submission (id) where time_broadcast is null;
create index on submission (time_received);
comment on table submission is 'VOEvents that other authors gave us for our VTP subscribers';
comment on column submission.packet is 'As it came, byte for byte';
comment on column submission.sha256 is 'Of the packet, hexadecimal';
comment on column submission.peer is 'Address that it came from';
comment on column submission.time_broadcast is 'When it was handed to the subscribers; null: to do';

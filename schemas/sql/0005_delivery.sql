-- Storms of candidates, and what became of every alert on every channel.

alter table alert add column image_id text;
comment on column alert.image_id is 'Of the image that it tells of; null before this column was';
create index on alert (image_id) where alert_type = 'initial';
create index on alert (stream, time_start) where alert_type = 'initial';

-- Candidates beyond what one image or minute may bring: an operator lets them out or leaves them.
create table suppressed_event (
    event_id text primary key,
    trig_id text not null,
    stream text not null,
    image_id text not null,
    because text not null,
    event jsonb not null,
    time_suppressed timestamptz not null default now(),
    time_released timestamptz
);
create index on suppressed_event (image_id);
create index on suppressed_event (time_suppressed) where time_released is null;
comment on column suppressed_event.time_released is 'Since then it is an event like others';

-- Who gets alerts under a name of their own, and from which alert on.
create table subscriber (
    channel text not null check (channel in ('vtp', 'webhook', 'email')),
    name text not null,
    since_alert_id bigint not null,
    n_failures int not null default 0,
    disabled_because text,
    time_created timestamptz not null default now(),
    primary key (channel, name)
) with (fillfactor = 70);
comment on column subscriber.since_alert_id is 'Earlier alerts are none of theirs';
comment on column subscriber.n_failures is 'Attempts in a row that failed [-]';

create table delivery (
    alert_id bigint not null references alert (id) on delete cascade,
    channel text not null,
    subscriber text not null,
    time_handed timestamptz not null,
    time_acknowledged timestamptz,
    primary key (alert_id, channel, subscriber)
);
comment on table delivery is 'When an alert was handed to a channel, and when that said it has it';
comment on column delivery.subscriber is 'Topic, name of a VTP subscriber, of a webhook, of a digest';

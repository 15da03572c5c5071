-- Subscriptions with a filter and a channel of their own, and nights that are sent to one again
-- (ADR 0040).

alter table subscriber drop constraint subscriber_channel_check;
alter table subscriber add constraint subscriber_channel_check
check (channel in ('vtp', 'webhook', 'email', 'broker', 'subscription'));
comment on column subscriber.channel is
'Delivery channel: vtp, webhook, email, broker or subscription';
alter table delivery drop constraint delivery_channel_check;
alter table delivery add constraint delivery_channel_check
check (channel in ('kafka', 'vtp', 'webhook', 'email', 'broker', 'subscription'));
comment on column delivery.channel is
'Delivery channel: kafka, vtp, webhook, email, broker or subscription';
create index on delivery (subscriber, alert_id) where channel = 'subscription';

create table subscription (
    id bigint generated always as identity primary key,
    -- alerts-voevent-v1 and its like are topics of all alerts.
    name text not null unique
    check (name ~ '^[a-z0-9][a-z0-9-]{0,62}$' and name !~ '-v[0-9]+$'),
    owner text not null,
    rule text not null,
    ra float8,
    dec float8,
    radius_deg float8,
    moc text not null default '',
    schedule text not null default '',
    channel text not null
    check (channel in ('webhook', 'chat', 'email', 'digest', 'kafka', 'sse')),
    target text not null default '',
    secret text,
    time_created timestamptz not null default now(),
    check ((ra is null) = (radius_deg is null) and (dec is null) = (radius_deg is null))
);
create index on subscription (owner);
comment on table subscription is 'Alerts that somebody wants, and how they are delivered';
comment on column subscription.id is 'Key of the row, in order of insertion [-]';
comment on column subscription.name is 'Name; that of its Kafka topic is alerts-<name>';
comment on column subscription.owner is 'Name of the token that created it';
comment on column subscription.rule is 'Expression that is true of what is wanted; empty: of all';
comment on column subscription.ra is 'Centre of a cone, ICRS; null: none [deg]';
comment on column subscription.dec is 'Centre of a cone, ICRS; null: none [deg]';
comment on column subscription.radius_deg is 'Radius of the cone; null: none [deg]';
comment on column subscription.moc is 'Coverage map (IVOA MOC, ASCII); empty: the whole sky';
comment on column subscription.schedule is 'Hours of the week in which alerts are wanted; empty: all';
comment on column subscription.channel is 'How: webhook, chat, email, digest, kafka or sse';
comment on column subscription.target is 'Address of a webhook or recipient; empty for kafka and sse';
comment on column subscription.secret is 'Signs what is sent to a webhook; null: not signed';
comment on column subscription.time_created is 'When it was created [UTC]';

create table replay (
    id bigint generated always as identity primary key,
    subscription_id bigint not null references subscription (id) on delete cascade,
    time_since timestamptz not null,
    time_until timestamptz not null check (time_until > time_since),
    speed float8 not null check (speed > 0),
    since_alert_id bigint not null default 0,
    n_sent int not null default 0,
    failure_reason text,
    time_created timestamptz not null default now(),
    time_done timestamptz
);
create index on replay (subscription_id);
create index on replay (id) where time_done is null;
comment on table replay is 'Alerts of the past that are sent to one subscription again, as tests';
comment on column replay.id is 'Key of the row, in order of insertion [-]';
comment on column replay.subscription_id is 'Who gets them [-]';
comment on column replay.time_since is 'First time of an alert [UTC]';
comment on column replay.time_until is 'Alerts before this time [UTC]';
comment on column replay.speed is 'How much faster than they were [-]';
comment on column replay.since_alert_id is 'Alerts up to this one are sent [-]';
comment on column replay.n_sent is 'Alerts that were sent [-]';
comment on column replay.failure_reason is 'Why it ended early; null: it did not';
comment on column replay.time_created is 'When it was asked for [UTC]';
comment on column replay.time_done is 'When the last one was sent; null: it goes on [UTC]';

-- A secret is in no copy of a row; what has no number is known by its name.
create or replace function record_write() returns trigger language plpgsql as $$
declare
    was jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) - array['token_sha256', 'secret'] end;
    becomes jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) - array['token_sha256', 'secret'] end;
begin
    if was is distinct from becomes then
        insert into audit (actor, action, object, object_id, row_before, row_after)
        values (
            current_setting('livetrap.actor'), lower(tg_op), tg_table_name,
            coalesce(coalesce(becomes, was) ->> 'id', coalesce(becomes, was) ->> 'name'),
            was, becomes
        );
    end if;
    return null;
end
$$;
create trigger audit_subscription after insert or update or delete on subscription
for each row when (coalesce(current_setting('livetrap.actor', true), '') <> '')
execute function record_write();
create trigger audit_subscriber after insert or update or delete on subscriber
for each row when (coalesce(current_setting('livetrap.actor', true), '') <> '')
execute function record_write();
create trigger audit_replay after insert or update or delete on replay
for each row when (coalesce(current_setting('livetrap.actor', true), '') <> '')
execute function record_write();

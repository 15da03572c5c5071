-- Record what was sent and what was acknowledged; the first time of each is kept.
--
-- $1  ivorn            text[]
-- $2  channel          text[]
-- $3  subscriber       text[]
-- $4  time             timestamptz[]
-- $5  is_acknowledged  boolean[]
-- Indexes: the unique one on alert (ivorn), the primary key of delivery.
insert into delivery (alert_id, channel, subscriber, time_sent, time_acknowledged)
select
    alert.id,
    row_in.channel,
    row_in.subscriber,
    min(row_in.time) as time_sent,
    min(row_in.time) filter (where row_in.is_acknowledged) as time_acknowledged
from
    unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::boolean[])
        as row_in (ivorn, channel, subscriber, time, is_acknowledged)
inner join alert on row_in.ivorn = alert.ivorn
group by alert.id, row_in.channel, row_in.subscriber
on conflict (alert_id, channel, subscriber) do update
    set time_acknowledged = coalesce(delivery.time_acknowledged, excluded.time_acknowledged)

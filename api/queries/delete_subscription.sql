-- Delete a subscription and its position; its topic is deleted later.
--
-- $1  name   text
-- $2  owner  text  null: whoever it is
-- Indexes: subscription (name), the primary keys of subscriber and unused_topic.
with deleted as (
    delete from subscription
    where
        subscription.name = $1::text
        and ($2::text is null or subscription.owner = $2::text)
    returning subscription.name, subscription.owner, subscription.channel
),

forgotten as (
    delete from subscriber
    using deleted
    where subscriber.channel = 'subscription' and subscriber.name = deleted.name
),

retired as (
    insert into unused_topic (name, owner)
    select
        deleted.name,
        deleted.owner
    from deleted
    where deleted.channel = 'kafka'
    on conflict (name) do update set
        time_unused = now(),
        owner = excluded.owner
)

select deleted.name
from deleted

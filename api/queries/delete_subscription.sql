-- Delete a subscription and its position.
--
-- $1  name   text
-- $2  owner  text  null: whoever it is
-- Indexes: subscription (name), the primary key of subscriber.
with deleted as (
    delete from subscription
    where
        subscription.name = $1::text
        and ($2::text is null or subscription.owner = $2::text)
    returning subscription.name
),

forgotten as (
    delete from subscriber
    using deleted
    where subscriber.channel = 'subscription' and subscriber.name = deleted.name
)

select deleted.name
from deleted

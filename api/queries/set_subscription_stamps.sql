-- Say whether the notices of a webhook's subscription carry stamps; return no row for another.
--
-- $1  name    text
-- $2  owner   text  null: whoever it is
-- $3  stamps  bool
-- Index: subscription (name).
update subscription
set stamps = $3::bool
where
    subscription.name = $1::text
    and subscription.channel = 'webhook'
    and ($2::text is null or subscription.owner = $2::text)
returning subscription.id

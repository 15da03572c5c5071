-- Return the version of the row of each subscription: the transaction that wrote it.
select
    subscription.id,
    subscription.xmin::text as version
from subscription

-- Return the rules of subscriptions that may name a reference catalogue.
select
    subscription.name,
    subscription.rule
from subscription
where subscription.rule like '%matches%'
order by subscription.name

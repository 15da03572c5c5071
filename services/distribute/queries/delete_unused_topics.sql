-- Delete some rows of topics that were not used for a time, and keep others from making a
-- subscription of these names until the transaction ends; return the names of the subscriptions.
--
-- $1  unused_s  float8  [s]
-- $2  limit     int     [-]
delete from unused_topic
using (
    select waiting.name
    from unused_topic as waiting
    where
        waiting.time_unused <= now() - make_interval(secs => $1::float8)
        and not exists (
            select from subscription
            where subscription.name = waiting.name and subscription.channel = 'kafka'
        )
    order by waiting.time_unused
    limit $2::int
    for update skip locked
) as due
where unused_topic.name = due.name
returning unused_topic.name

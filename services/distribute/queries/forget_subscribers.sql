-- Delete VTP subscribers whose name anybody may choose: those that were not seen for long, and of
-- more than are kept those that were known for the shortest time.
--
-- $1  max_age    interval
-- $2  max_names  int       [-]
-- Index: the table is scanned.
delete from subscriber
where (subscriber.channel, subscriber.name) in (
    select
        old.channel,
        old.name
    from (
        select
            each.channel,
            each.name,
            each.time_seen,
            row_number() over (
                order by each.time_seen - each.time_created desc, each.time_seen desc
            ) as place
        from subscriber as each
        where each.channel = 'vtp' and each.name like '%@%'
    ) as old
    where old.time_seen < now() - $1::interval or old.place > $2::int
)

-- Delete submissions older than any repetition of them, a few at a time.
--
-- $1  max_age  interval
-- $2  limit    int       [-]
-- Index: submission (time_received).
delete from submission
where submission.id in (
    select old.id
    from submission as old
    where old.time_received < now() - $1::interval
    order by old.time_received
    limit $2::int
)

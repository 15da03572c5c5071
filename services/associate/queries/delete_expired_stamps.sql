-- Delete the files of stamps that are older than their retention, and the oldest beyond a size; count them.
--
-- $1  before     timestamptz
-- $2  max_bytes  bigint       [byte]
-- $3  reason     text
-- $4  limit      int          [-]
-- Index: stamp (time_answered) include (n_bytes) where state = 'stored', read whole.
with kept as (
    select
        stamp.stamp_id,
        stamp.time_answered,
        sum(stamp.n_bytes) over (order by stamp.time_answered desc, stamp.stamp_id asc) as total_bytes
    from stamp
    where stamp.state = 'stored'
),

expired as (
    select kept.stamp_id
    from kept
    where
        kept.time_answered < $1::timestamptz
        or kept.total_bytes > $2::bigint
    order by kept.time_answered
    limit $4::int
),

deleted as (
    delete from stamp_file
    using expired
    where stamp_file.stamp_id = expired.stamp_id
),

marked as (
    update stamp
    set
        state = 'missing',
        reason = $3::text,
        time_answered = now()
    from expired
    where stamp.stamp_id = expired.stamp_id
    returning stamp.stamp_id
)

select count(*) as n_stamps from marked

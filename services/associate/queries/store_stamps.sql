-- Store the files of stamps, and why others have none; one that is stored stays.
--
-- $1  stamp_id  text[]
-- $2  data      bytea[]
-- $3  sha256    text[]
-- $4  reason    text[]   empty: there is a file
-- Index: the primary keys.
with answered as (
    update stamp
    set
        state = case when row_in.reason = '' then 'stored' else 'missing' end,
        reason = nullif(row_in.reason, ''),
        sha256 = case when row_in.reason = '' then row_in.sha256 end,
        n_bytes = case when row_in.reason = '' then octet_length(row_in.data) end,
        time_answered = now()
    from unnest($1::text[], $2::bytea[], $3::text[], $4::text[]) as row_in (stamp_id, data, sha256, reason)
    where
        stamp.stamp_id = row_in.stamp_id
        and (stamp.state = 'waiting' or stamp.reason = 'not_answered')
    returning
        stamp.stamp_id,
        stamp.state,
        row_in.data
)

insert into stamp_file (stamp_id, data)
select
    answered.stamp_id,
    answered.data
from answered
where answered.state = 'stored'

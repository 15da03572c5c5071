-- Return the identities of the episodes of sources, the newest ten of each first.
--
-- $1  source_id  bigint[]
-- Index: the unique one on transient (source_id, episode).
select
    wanted.source_id,
    array_agg(earlier.trig_id order by earlier.episode desc) as trig_ids
from unnest($1::bigint[]) as wanted (source_id)
cross join
    lateral (
        select
            transient.trig_id,
            transient.episode
        from transient
        where transient.source_id = wanted.source_id
        order by transient.episode desc
        limit 10
    ) as earlier
group by wanted.source_id

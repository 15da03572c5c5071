-- Return the oldest files that are too old or too many, and mark those that an alert keeps.
--
-- $1  keep_days     float8  [d]; null: no file is too old
-- $2  excess_bytes  bigint  what must go [byte]
-- $3  limit         int     rows that are looked at [-]
-- Indexes: archived_image (time_archived, image_id); alert (image_id).
with oldest as (
    select
        archived_image.image_id,
        archived_image.name,
        archived_image.n_bytes,
        archived_image.time_archived,
        exists(
            select
            from alert
            where alert.image_id = archived_image.image_id
        ) as has_alert
    from archived_image
    where archived_image.time_gone is null and not archived_image.is_kept
    order by archived_image.time_archived, archived_image.image_id
    limit $3::int
),

kept as (
    update archived_image
    set is_kept = true
    from oldest
    where archived_image.image_id = oldest.image_id and oldest.has_alert
),

candidate as (
    select
        oldest.image_id,
        oldest.name,
        oldest.time_archived,
        coalesce(oldest.time_archived < now() - $1::float8 * interval '1 day', false) as is_expired,
        sum(oldest.n_bytes) over (order by oldest.time_archived, oldest.image_id)
        - oldest.n_bytes as freed_before
    from oldest
    where not oldest.has_alert
)

select
    candidate.image_id,
    candidate.name,
    candidate.is_expired
from candidate
where candidate.is_expired or candidate.freed_before < $2::bigint
order by candidate.time_archived, candidate.image_id

-- Return the rows and identifiers of the alerts behind one, in the order of insertion.
--
-- $1  after_id  bigint
-- $2  limit     int     [-]
-- Index: the primary key of alert.
select
    alert.id,
    alert.ivorn
from alert
where alert.id > $1::bigint
order by alert.id
limit $2::int

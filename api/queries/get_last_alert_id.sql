-- Return the id of the newest alert, 0 if there is none.
-- Index: the primary key.
select coalesce(max(alert.id), 0) as id
from alert

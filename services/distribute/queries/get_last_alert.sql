-- Return the row of the newest alert; 0 if there is none.
--
-- Index: the primary key of alert.
select coalesce(max(alert.id), 0) from alert

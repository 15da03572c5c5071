-- Return the size of all files of the archive.
--
-- Index: (n_bytes) of those that are there, alone.
select coalesce(sum(archived_image.n_bytes), 0)::bigint as n_bytes
from archived_image
where archived_image.time_gone is null

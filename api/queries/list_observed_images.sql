-- Return where the pixels of images are, of those that exist and were accepted.
--
-- $1  image_ids  text[]  sha256
-- Index: the unique one on (stream_id, image_id), scanned.
select
    obscore.obs_id,
    obscore.access_url,
    obscore.access_format
from ivoa.obscore
where obscore.obs_id = any($1::text[])
-- Of two streams that have an image, one may have lost it: what is retained comes last.
order by obscore.access_url is not null

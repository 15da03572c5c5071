-- Note that files are gone, since now.
--
-- $1  image_id     text[]  sha256
-- $2  gone_reason  text[]
update archived_image
set time_gone = now(), gone_reason = gone.gone_reason
from unnest($1::text[], $2::text[]) as gone (image_id, gone_reason)
where archived_image.image_id = gone.image_id and archived_image.time_gone is null

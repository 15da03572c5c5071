-- Return the age of the newest image [s]; no row if there is none.
--
-- Index: the primary key of image.
select extract(epoch from now() - image.time_associated)::float8 as last_image_age_s
from image
order by image.image_key desc
limit 1

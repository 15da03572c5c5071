-- Return the files of the stamps of an image whose centres are nearest to a position.
--
-- $1  image_key  bigint
-- $2  ra         float8  [deg]
-- $3  dec        float8  [deg]
-- $4  limit      int     [-]
-- Index: stamp (image_key) where state = 'stored'.
select stamp_file.data
from stamp
inner join stamp_file on stamp.stamp_id = stamp_file.stamp_id
where
    stamp.image_key = $1::bigint
    and stamp.state = 'stored'
order by
    sind((stamp.dec - $3::float8) / 2) ^ 2
    + cosd(stamp.dec) * cosd($3) * sind((stamp.ra - $2::float8) / 2) ^ 2
limit $4::int

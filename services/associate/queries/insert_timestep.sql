-- Store one timestep and return its id.
--
-- $1  stream_id        int
-- $2  time_start       timestamptz
-- $3  is_late          boolean
-- $4  n_images         int          [-]
-- $5  time_associated  timestamptz
insert into timestep (stream_id, time_start, is_late, n_images, time_associated)
values ($1::int, $2::timestamptz, $3::boolean, $4::int, $5::timestamptz)
returning timestep.id

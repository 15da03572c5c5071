-- Return a stream, which is created if it is new; store the systematic error that is used for it.
--
-- $1  name                           text
-- $2  systematic_position_error_deg  float8  per axis [deg]
-- Index: the unique one on name.
insert into stream (name, systematic_position_error_deg)
values ($1::text, $2::float8)
on conflict (name) do update set systematic_position_error_deg = excluded.systematic_position_error_deg
returning
    stream.id,
    stream.systematic_position_error_deg,
    stream.looked_until

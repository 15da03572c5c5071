-- Reset the clocks of streams where this was requested, and return their names.
--
-- $1  name  text[]  streams of this process
-- Index: the unique one on name.
update stream
set
    closed_until = null,
    is_clock_reset_requested = false
where
    stream.name = any($1::text[])
    and stream.is_clock_reset_requested
returning stream.name

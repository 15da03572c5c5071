-- Ask the associator to forget how far a stream has come; its next image starts a new clock.
--
-- $1  name  text
-- Index: the unique one on name.
update stream
set
    is_clock_reset_requested = true
where stream.name = $1::text
returning stream.closed_until

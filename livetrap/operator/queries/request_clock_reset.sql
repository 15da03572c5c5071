-- Ask the associator to reset the clock of a stream: its next image sets it.
--
-- $1  name  text
-- Index: the unique one on name.
update stream
set
    is_clock_reset_requested = true
where stream.name = $1::text
returning stream.closed_until

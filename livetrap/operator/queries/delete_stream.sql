-- Forget a stream and all that hangs on it, but its books and its alerts.
--
-- $1  stream_id  int
select delete_stream($1::int)

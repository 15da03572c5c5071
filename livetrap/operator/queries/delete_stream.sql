-- Delete a stream with its images, sources and transients; its ledger and alerts stay.
--
-- $1  stream_id  int
select delete_stream($1::int)

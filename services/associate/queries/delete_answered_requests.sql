-- Delete the requests of a stream that have all their answers.
--
-- $1  stream_id  int
-- Index: the primary key.
delete from waiting_request
where
    waiting_request.stream_id = $1::int
    and waiting_request.source_ids = '{}'

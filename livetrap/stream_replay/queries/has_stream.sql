-- Return whether there is a stream of a name.
--
-- $1  name  text
-- Index: the unique one on name.
select exists(
    select
    from stream
    where stream.name = $1::text
) as has_stream

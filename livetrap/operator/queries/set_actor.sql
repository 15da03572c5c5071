-- Name who asks for the writes of this transaction; triggers put it into audit.
--
-- $1  actor  text
select set_config('livetrap.actor', $1::text, true) as actor

-- Wait until no other transaction has this turn; it ends with the transaction. What the next
-- statement counts is then all that there is.
--
-- $1  turn  text  what is counted, and whose
select pg_advisory_xact_lock(hashtextextended('livetrap.turn.' || $1::text, 0)) as turn

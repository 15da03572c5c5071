-- Delete entries of the ledger that are older than the retention; their sums stay.
--
-- $1  retention  interval
-- Index: image_ledger (time_recorded).
delete from image_ledger
where image_ledger.time_recorded < now() - $1::interval

-- Wait no longer than this for a lock, until the transaction ends.
set local lock_timeout = '2s'

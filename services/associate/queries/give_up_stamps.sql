-- Note that no answer comes for stamps that were asked for before a time.
--
-- $1  before  timestamptz
-- $2  reason  text
-- Index: stamp (time_requested) where state = 'waiting'.
update stamp
set
    state = 'missing',
    reason = $2::text,
    time_answered = now()
where
    stamp.state = 'waiting'
    and stamp.time_requested < $1::timestamptz

-- Return what a stream has observed: the centres of its bands, and up to when.
--
-- $1  name  text
-- Index: the unique ones on name, and on band (stream_id, freq_eff_hz, freq_bw_hz).
select
    stream.id as stream_id,
    stream.looked_until,
    array(
        select band.freq_eff_hz
        from band
        where band.stream_id = stream.id
        order by band.freq_eff_hz
    ) as freq_eff_hz
from stream
where stream.name = $1::text

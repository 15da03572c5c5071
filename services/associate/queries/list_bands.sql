-- Return the bands of a stream.
--
-- $1  stream_id  int
-- Index: the unique one on (stream_id, freq_eff_hz, freq_bw_hz).
select
    band.id,
    band.freq_eff_hz,
    band.freq_bw_hz
from band
where band.stream_id = $1::int
order by band.freq_eff_hz, band.freq_bw_hz

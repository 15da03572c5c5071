-- Return every column of a stream's light-curve statistics, with the frequency.
--
-- $1  stream_id  int
select
    source_band.*,
    band.freq_eff_hz,
    band.freq_bw_hz
from source_band
inner join band on source_band.band_id = band.id
where band.stream_id = $1::int

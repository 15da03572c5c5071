-- Describe the bands of a stream.
--
-- $1  stream_id  int
select
    band.freq_eff_hz,
    band.freq_bw_hz,
    expected_channel.stokes,
    expected_channel.last_time_start,
    expected_channel.missed_timesteps
from band
left join expected_channel on band.id = expected_channel.band_id
where band.stream_id = $1::int
order by band.freq_eff_hz, band.freq_bw_hz, expected_channel.stokes

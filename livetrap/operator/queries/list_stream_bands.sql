-- Describe the bands of a stream.
--
-- $1  stream_id  int
select
    band.freq_eff_hz,
    band.freq_bw_hz,
    channel.stokes,
    channel.last_time_start,
    channel.missed_timesteps
from band
left join channel on band.id = channel.band_id
where band.stream_id = $1::int
order by band.freq_eff_hz, band.freq_bw_hz, channel.stokes

-- Return the bands and Stokes parameters that the streams send.
select
    stream.name,
    band.freq_eff_hz,
    band.freq_bw_hz,
    expected_channel.stokes,
    expected_channel.last_time_start,
    expected_channel.missed_timesteps
from expected_channel
inner join band on expected_channel.band_id = band.id
inner join stream on band.stream_id = stream.id
order by stream.name, band.freq_eff_hz, band.freq_bw_hz, expected_channel.stokes

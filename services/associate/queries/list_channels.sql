-- Return the bands and Stokes parameters that the streams are known to send.
select
    stream.name,
    band.freq_eff_hz,
    band.freq_bw_hz,
    channel.stokes,
    channel.last_time_start,
    channel.missed_timesteps
from channel
inner join band on channel.band_id = band.id
inner join stream on band.stream_id = stream.id
order by stream.name, band.freq_eff_hz, band.freq_bw_hz, channel.stokes

-- Return the bands of a stream, and the positions that are monitored in it, as arrays in one row.
--
-- $1  stream_id  int
-- $2  stream     text  null: no monitors
-- Indexes: the unique one on band (stream_id, freq_eff_hz, freq_bw_hz); monitor (stream, ra, dec).
select
    known.band_id,
    known.freq_eff_hz,
    known.freq_bw_hz,
    monitored.id,
    monitored.ra,
    monitored.dec,
    monitored.pm_ra_cosdec_mas_yr,
    monitored.pm_dec_mas_yr,
    monitored.epoch_yr,
    monitored.source_id
from (
    select
        array_agg(band.id order by band.id) as band_id,
        array_agg(band.freq_eff_hz order by band.id) as freq_eff_hz,
        array_agg(band.freq_bw_hz order by band.id) as freq_bw_hz
    from band
    where band.stream_id = $1::int
) as known
cross join (
    select
        array_agg(monitor.id order by monitor.id) as id,
        array_agg(monitor.ra order by monitor.id) as ra,
        array_agg(monitor.dec order by monitor.id) as dec,
        array_agg(monitor.pm_ra_cosdec_mas_yr order by monitor.id) as pm_ra_cosdec_mas_yr,
        array_agg(monitor.pm_dec_mas_yr order by monitor.id) as pm_dec_mas_yr,
        array_agg(monitor.epoch_yr order by monitor.id) as epoch_yr,
        array_agg(coalesce(monitor.source_id, 0) order by monitor.id) as source_id
    from monitor
    where monitor.stream = $2::text
) as monitored

-- Return what every timestep of a stream starts from, in one row: bands, monitored positions, the
-- last detections that may belong to moving objects, and new keys of images in ascending order.
--
-- $1  stream_id  int
-- $2  stream     text  null: no monitors
-- $3  n_images   int   [-]
-- Indexes: the unique one on band (stream_id, freq_eff_hz, freq_bw_hz); monitor (stream, ra, dec); the
-- primary key of tracking.
select
    known.band_id,
    known.freq_eff_hz,
    known.freq_bw_hz,
    monitored.monitor_id,
    monitored.monitor_ra,
    monitored.monitor_dec,
    monitored.pm_ra_cosdec_mas_yr,
    monitored.pm_dec_mas_yr,
    monitored.epoch_yr,
    monitored.monitor_source_id,
    tracking.look,
    tracking.source_id,
    tracking.track_id,
    tracking.looks,
    tracking.time_s,
    tracking.ra,
    tracking.dec,
    tracking.err_deg,
    reserved.image_key
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
        array_agg(monitor.id order by monitor.id) as monitor_id,
        array_agg(monitor.ra order by monitor.id) as monitor_ra,
        array_agg(monitor.dec order by monitor.id) as monitor_dec,
        array_agg(monitor.pm_ra_cosdec_mas_yr order by monitor.id) as pm_ra_cosdec_mas_yr,
        array_agg(monitor.pm_dec_mas_yr order by monitor.id) as pm_dec_mas_yr,
        array_agg(monitor.epoch_yr order by monitor.id) as epoch_yr,
        array_agg(coalesce(monitor.source_id, 0) order by monitor.id) as monitor_source_id
    from monitor
    where monitor.stream = $2::text
) as monitored
cross join (
    select
        array(
            select nextval(pg_get_serial_sequence('image', 'image_key')::regclass)
            from generate_series(1, $3::int)
        ) as image_key
) as reserved
left join tracking on tracking.stream_id = $1::int

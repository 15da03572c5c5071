-- Return every column of a stream's measurements, with the frequency and the sha256 of the image.
--
-- $1  stream_id  int
select
    detection.*,
    band.freq_eff_hz,
    band.freq_bw_hz,
    image.image_id
from detection
inner join image on detection.image_key = image.image_key
inner join band on detection.band_id = band.id
where detection.stream_id = $1::int

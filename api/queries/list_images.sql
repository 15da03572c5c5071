-- Return a page of images, the last associated first, or the other way round.
--
-- $1  id          bigint       this one only
-- $2  image_id    text         sha256, instead of the id
-- $3  since       timestamptz
-- $4  until       timestamptz
-- $5  stream      text
-- $6  verdict     text
-- $7  before_id   bigint       last of the previous page
-- $8  limit       int          [-]
-- $9   min_rms_jy_beam        float8  [Jy/beam]
-- $10  max_rms_jy_beam        float8  [Jy/beam]
-- $11  min_exposure_s         float8  [s]
-- $12  max_exposure_s         float8  [s]
-- $13  min_freq_eff_hz        float8  [Hz]
-- $14  max_freq_eff_hz        float8  [Hz]
-- $15  min_freq_bw_hz         float8  [Hz]
-- $16  max_freq_bw_hz         float8  [Hz]
-- $17  min_beam_major_deg     float8  [deg]
-- $18  max_beam_major_deg     float8  [deg]
-- $19  min_field_radius_deg   float8  [deg]
-- $20  max_field_radius_deg   float8  [deg]
-- $21  min_n_sources          int     [-]
-- $22  max_n_sources          int     [-]
-- $23  after_id               bigint  last of the previous page, ascending
-- $24  is_ascending           boolean
-- Null leaves a filter out.
-- Index: the primary key; the unique one on (stream_id, image_id).
select
    image.image_key as id,
    image.image_id,
    stream.name as stream,
    image.verdict,
    image.reasons,
    image.reason_text,
    image.warnings,
    image.time_start,
    image.exposure_s,
    image.freq_eff_hz,
    image.freq_bw_hz,
    image.stokes,
    image.beam_major_deg,
    image.beam_minor_deg,
    image.beam_pa_deg,
    image.field_ra,
    image.field_dec,
    image.field_radius_deg,
    image.width_px,
    image.height_px,
    image.telescope,
    image.rms_jy_beam,
    image.n_sources,
    image.is_late,
    image.shift_status,
    image.n_shift_sources,
    image.shift_east_arcsec,
    image.shift_north_arcsec,
    image.shift_err_arcsec,
    image.is_shift_applied,
    image.flux_status,
    image.n_flux_sources,
    image.flux_factor,
    image.flux_factor_err,
    image.is_flux_factor_applied,
    image.time_sent,
    image.time_appended,
    image.time_extracted,
    image.time_associated
from image
inner join stream on image.stream_id = stream.id
where
    ($1::bigint is null or image.image_key = $1)
    and ($2::text is null or image.image_id = $2)
    and ($3::timestamptz is null or image.time_start >= $3)
    and ($4::timestamptz is null or image.time_start < $4)
    and ($5::text is null or stream.name = $5)
    and ($6::text is null or image.verdict = $6)
    and ($7::bigint is null or image.image_key < $7)
    and ($9::float8 is null or (image.rms_jy_beam >= $9 and image.rms_jy_beam <> 'nan'))
    and ($10::float8 is null or image.rms_jy_beam <= $10)
    and ($11::float8 is null or image.exposure_s >= $11)
    and ($12::float8 is null or image.exposure_s <= $12)
    and ($13::float8 is null or image.freq_eff_hz >= $13)
    and ($14::float8 is null or image.freq_eff_hz <= $14)
    and ($15::float8 is null or image.freq_bw_hz >= $15)
    and ($16::float8 is null or image.freq_bw_hz <= $16)
    and ($17::float8 is null or image.beam_major_deg >= $17)
    and ($18::float8 is null or image.beam_major_deg <= $18)
    and ($19::float8 is null or image.field_radius_deg >= $19)
    and ($20::float8 is null or image.field_radius_deg <= $20)
    and ($21::int is null or image.n_sources >= $21)
    and ($22::int is null or image.n_sources <= $22)
    and ($23::bigint is null or image.image_key > $23)
order by
    case when $24::boolean then image.image_key end,
    image.image_key desc
limit $8::int

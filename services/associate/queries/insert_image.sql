-- Store one image: what it is, what it saw, how deep it looked, where it came from.
--
-- $1   image_id                   text         sha256
-- $2   stream_id                  int
-- $3   timestep_id                bigint
-- $4   band_id                    int
-- $5   verdict                    text
-- $6   reasons                    text[]
-- $7   reason_text                text
-- $8   time_start                 timestamptz
-- $9   exposure_s                 float8       [s]
-- $10  freq_eff_hz                float8       [Hz]
-- $11  freq_bw_hz                 float8       [Hz]
-- $12  stokes                     text
-- $13  beam_major_deg             float8       [deg]
-- $14  beam_minor_deg             float8       [deg]
-- $15  beam_pa_deg                float8       [deg]
-- $16  field_ra                   float8       [deg]
-- $17  field_dec                  float8       [deg]
-- $18  field_radius_deg           float8       [deg]
-- $19  width_px                   int          [px]
-- $20  height_px                  int          [px]
-- $21  wcs_header                 text
-- $22  telescope                  text
-- $23  rms_jy_beam                float8       [Jy/beam]
-- $24  detection_threshold_sigma  float8       [-]
-- $25  rms_grid_cell_px           int          [px]
-- $26  rms_grid_columns           int          [-]
-- $27  rms_grid                   real[]       [Jy/beam]
-- $28  n_sources                  int          [-]
-- $29  is_late                    boolean
-- $30  kafka_cluster_id          text
-- $31  kafka_topic               text
-- $32  kafka_partition           int
-- $33  kafka_offset              bigint
-- $34  time_sent                  timestamptz
-- $35  time_appended              timestamptz
-- $36  time_extracted             timestamptz
-- $37  time_associated            timestamptz
insert into image (
    image_id, stream_id, timestep_id, band_id, verdict, reasons, reason_text, time_start, exposure_s,
    freq_eff_hz, freq_bw_hz, stokes, beam_major_deg, beam_minor_deg, beam_pa_deg, field_ra, field_dec,
    field_radius_deg, width_px, height_px, wcs_header, telescope, rms_jy_beam, detection_threshold_sigma,
    rms_grid_cell_px, rms_grid_columns, rms_grid, n_sources, is_late, kafka_cluster_id, kafka_topic,
    kafka_partition, kafka_offset, time_sent, time_appended, time_extracted, time_associated
)
values (
    $1::text, $2::int, $3::bigint, $4::int, $5::text, $6::text[], $7::text, $8::timestamptz, $9::float8,
    $10::float8, $11::float8, $12::text, $13::float8, $14::float8, $15::float8, $16::float8, $17::float8,
    $18::float8, $19::int, $20::int, $21::text, $22::text, $23::float8, $24::float8,
    $25::int, $26::int, $27::real[], $28::int, $29::boolean, $30::text, $31::text,
    $32::int, $33::bigint, $34::timestamptz, $35::timestamptz, $36::timestamptz, $37::timestamptz
)
returning image.image_key

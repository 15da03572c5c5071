-- Store one image: what it is, what it covers, how deep it is, and where on Kafka it was.
--
-- $1   image_key                  bigint
-- $2   image_id                   text         sha256
-- $3   stream_id                  int
-- $4   timestep_id                bigint
-- $5   band_id                    int
-- $6   verdict                    text
-- $7   reasons                    text[]
-- $8   reason_text                text
-- $9   time_start                 timestamptz
-- $10  exposure_s                 float8       [s]
-- $11  freq_eff_hz                float8       [Hz]
-- $12  freq_bw_hz                 float8       [Hz]
-- $13  stokes                     text
-- $14  beam_major_deg             float8       [deg]
-- $15  beam_minor_deg             float8       [deg]
-- $16  beam_pa_deg                float8       [deg]
-- $17  field_ra                   float8       [deg]
-- $18  field_dec                  float8       [deg]
-- $19  field_radius_deg           float8       [deg]
-- $20  width_px                   int          [px]
-- $21  height_px                  int          [px]
-- $22  wcs_header                 text
-- $23  telescope                  text
-- $24  margin_px                  int          [px]
-- $25  rms_jy_beam                float8       [Jy/beam]
-- $26  detection_threshold_sigma  float8       [-]
-- $27  rms_grid_cell_px           int          [px]
-- $28  rms_grid_columns           int          [-]
-- $29  rms_grid                   real[]       [Jy/beam]
-- $30  n_sources                  int          [-]
-- $31  is_late                    boolean
-- $32  kafka_cluster_id           text
-- $33  kafka_topic                text
-- $34  kafka_partition            int
-- $35  kafka_offset               bigint
-- $36  time_sent                  timestamptz
-- $37  time_appended              timestamptz
-- $38  time_extracted             timestamptz
-- $39  time_associated            timestamptz
-- $40  warnings                   text[]
-- $41  shift_status               text
-- $42  n_shift_sources            int          [-]
-- $43  shift_east_arcsec          float8       [arcsec]
-- $44  shift_north_arcsec         float8       [arcsec]
-- $45  shift_err_arcsec           float8       [arcsec]
-- $46  is_shift_applied           boolean
-- $47  flux_status                text
-- $48  n_flux_sources             int          [-]
-- $49  flux_factor                float8       [-]
-- $50  flux_factor_err            float8       [-]
-- $51  is_flux_factor_applied     boolean
-- $52  n_negative_peaks           int          [-]
-- $53  negative_snr               real[]       [-]
-- $54  searched_deg2              float8       [deg^2]
insert into image (
    image_key, image_id, stream_id, timestep_id, band_id, verdict, reasons, reason_text, time_start,
    exposure_s, freq_eff_hz, freq_bw_hz, stokes, beam_major_deg, beam_minor_deg, beam_pa_deg, field_ra,
    field_dec, field_radius_deg, width_px, height_px, wcs_header, telescope, margin_px, rms_jy_beam,
    detection_threshold_sigma, rms_grid_cell_px, rms_grid_columns, rms_grid, n_sources, is_late,
    kafka_cluster_id, kafka_topic, kafka_partition, kafka_offset, time_sent, time_appended,
    time_extracted, time_associated, warnings, shift_status, n_shift_sources, shift_east_arcsec,
    shift_north_arcsec, shift_err_arcsec, is_shift_applied, flux_status, n_flux_sources, flux_factor,
    flux_factor_err, is_flux_factor_applied, n_negative_peaks, negative_snr, searched_deg2
)
overriding system value
values (
    $1::bigint, $2::text, $3::int, $4::bigint, $5::int, $6::text, $7::text[], $8::text, $9::timestamptz,
    $10::float8, $11::float8, $12::float8, $13::text, $14::float8, $15::float8, $16::float8,
    $17::float8, $18::float8, $19::float8, $20::int, $21::int, $22::text, $23::text, $24::int,
    $25::float8, $26::float8, $27::int, $28::int, $29::real[], $30::int, $31::boolean, $32::text,
    $33::text, $34::int, $35::bigint, $36::timestamptz, $37::timestamptz, $38::timestamptz,
    $39::timestamptz, $40::text[], $41::text, $42::int, $43::float8, $44::float8, $45::float8,
    $46::boolean, $47::text, $48::int, $49::float8, $50::float8, $51::boolean, $52::int,
    $53::real[], $54::float8
)

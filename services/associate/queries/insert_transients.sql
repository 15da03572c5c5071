-- Store episodes of sources in their order; return their ids by the events that begin them.
--
-- $1   event_id                   text[]
-- $2   trig_id                    text[]
-- $3   source_id                  bigint[]
-- $4   stream_id                  int[]
-- $5   kind                       text[]
-- $6   certainty                  text[]
-- $7   image_key                  bigint[]
-- $8   source_number              int[]
-- $9   time_start                 timestamptz[]
-- $10  time_detected              timestamptz[]
-- $11  ra                         float8[]       [deg]
-- $12  dec                        float8[]       [deg]
-- $13  ra_err_deg                 float8[]       [deg]
-- $14  dec_err_deg                float8[]       [deg]
-- $15  flux_peak_jy_beam          float8[]       [Jy/beam]
-- $16  snr                        float8[]       [-]
-- $17  eta                        float8[]       [-]
-- $18  v                          float8[]       [-]
-- $19  last_notified_n_bands      int[]          [-]
-- $20  limit_previous_jy_beam     float8[]       [Jy/beam]
-- $21  episode                    int[]          [-]
-- $22  trigger                    text[]
-- $23  trigger_sigma              float8[]       [sigma]
-- $24  flux_expected_jy_beam      float8[]       [Jy/beam]
-- $25  flux_expected_err_jy_beam  float8[]       [Jy/beam]
-- $26  rate_arcsec_s              float8[]       [arcsec/s]
-- $27  direction_deg              float8[]       [deg]
insert into transient (
    event_id, trig_id, source_id, stream_id, kind, certainty, state, image_key, source_number, time_start,
    time_detected, ra, dec, ra_err_deg, dec_err_deg, flux_peak_jy_beam, snr, eta, v,
    last_notified_n_bands, limit_previous_jy_beam, episode, trigger, trigger_sigma,
    flux_expected_jy_beam, flux_expected_err_jy_beam, rate_arcsec_s, direction_deg
)
select
    row_in.event_id,
    row_in.trig_id,
    row_in.source_id,
    row_in.stream_id,
    row_in.kind,
    row_in.certainty,
    'active' as state,
    row_in.image_key,
    row_in.source_number,
    row_in.time_start,
    row_in.time_detected,
    row_in.ra,
    row_in.dec,
    row_in.ra_err_deg,
    row_in.dec_err_deg,
    row_in.flux_peak_jy_beam,
    row_in.snr,
    row_in.eta,
    row_in.v,
    row_in.last_notified_n_bands,
    row_in.limit_previous_jy_beam,
    row_in.episode,
    row_in.trigger,
    row_in.trigger_sigma,
    row_in.flux_expected_jy_beam,
    row_in.flux_expected_err_jy_beam,
    row_in.rate_arcsec_s,
    row_in.direction_deg
from
    unnest(
        $1::text[], $2::text[], $3::bigint[], $4::int[], $5::text[], $6::text[], $7::bigint[], $8::int[],
        $9::timestamptz[], $10::timestamptz[], $11::float8[], $12::float8[], $13::float8[], $14::float8[],
        $15::float8[], $16::float8[], $17::float8[], $18::float8[], $19::int[], $20::float8[], $21::int[],
        $22::text[], $23::float8[], $24::float8[], $25::float8[], $26::float8[], $27::float8[]
    ) with ordinality as row_in (
        event_id, trig_id, source_id, stream_id, kind, certainty, image_key, source_number, time_start,
        time_detected, ra, dec, ra_err_deg, dec_err_deg, flux_peak_jy_beam, snr, eta, v,
        last_notified_n_bands, limit_previous_jy_beam, episode, trigger, trigger_sigma,
        flux_expected_jy_beam, flux_expected_err_jy_beam, rate_arcsec_s, direction_deg, place
    )
order by row_in.place
returning transient.event_id, transient.id

-- Store one alert and notify the streams of the API; a repeated event inserts nothing.
--
-- $1   ivorn                text
-- $2   trig_id              text
-- $3   revision             int          [-]
-- $4   event_id             text
-- $5   alert_type           text
-- $6   role                 text
-- $7   transient_id         bigint
-- $8   source_id            bigint
-- $9   stream               text
-- $10  kind                 text
-- $11  ra                   float8       [deg]
-- $12  dec                  float8       [deg]
-- $13  snr                  float8       [-]
-- $14  flux_peak_jy_beam    float8       [Jy/beam]
-- $15  time_start           timestamptz
-- $16  time_alert           timestamptz
-- $17  voevent              bytea
-- $18  notice               text         JSON
-- $19  latency_s            float8       [s]
-- $20  rule                 text
-- $21  image_id             text
-- $22  kafka_low_watermark  text         JSON, offset by "topic/partition"
-- $23  avro_packet          bytea
-- Index: the unique one on event_id.
with inserted as (
    insert into alert (
        ivorn, trig_id, revision, event_id, alert_type, role, transient_id, source_id, stream, kind,
        ra, dec, snr, flux_peak_jy_beam, time_start, time_alert, voevent, notice, latency_s,
        rule, image_id, kafka_low_watermark, avro_packet
    )
    values (
        $1::text,
        $2::text,
        $3::int,
        $4::text,
        $5::text,
        $6::text,
        $7::bigint,
        $8::bigint,
        $9::text,
        $10::text,
        $11::float8, $12::float8, $13::float8, $14::float8, $15::timestamptz, $16::timestamptz,
        $17::bytea, $18::text::json, $19::float8, $20::text, $21::text,
        $22::text::jsonb, $23::bytea
    )
    on conflict (event_id) do nothing
    returning alert.id
)

select
    inserted.id,
    pg_notify('livetrap_alert', inserted.id::text) as notified
from inserted

-- Store alerts and notify the streams of the API of each; a repeated event inserts nothing.
--
-- $1   id                   bigint[]
-- $2   ivorn                text[]
-- $3   trig_id              text[]
-- $4   revision             int[]          [-]
-- $5   event_id             text[]
-- $6   alert_type           text[]
-- $7   role                 text[]
-- $8   transient_id         bigint[]
-- $9   source_id            bigint[]
-- $10  stream               text[]
-- $11  kind                 text[]
-- $12  ra                   float8[]       [deg]
-- $13  dec                  float8[]       [deg]
-- $14  snr                  float8[]       [-]
-- $15  flux_peak_jy_beam    float8[]       [Jy/beam]
-- $16  time_start           timestamptz[]
-- $17  time_alert           timestamptz[]
-- $18  voevent              bytea[]
-- $19  notice               text[]         JSON
-- $20  latency_s            float8[]       [s]
-- $21  rule                 text[]
-- $22  image_id             text[]
-- $23  avro_packet          bytea[]
-- $24  kafka_low_watermark  text[]         JSON, offset by "topic/partition"
-- Index: the unique one on event_id.
with inserted as (
    insert into alert (
        id, ivorn, trig_id, revision, event_id, alert_type, role, transient_id, source_id, stream,
        kind, ra, dec, snr, flux_peak_jy_beam, time_start, time_alert, voevent, notice, latency_s,
        rule, image_id, avro_packet, kafka_low_watermark
    )
    overriding system value
    select
        made.id,
        made.ivorn,
        made.trig_id,
        made.revision,
        made.event_id,
        made.alert_type,
        made.role,
        made.transient_id,
        made.source_id,
        made.stream,
        made.kind,
        made.ra,
        made.dec,
        made.snr,
        made.flux_peak_jy_beam,
        made.time_start,
        made.time_alert,
        made.voevent,
        made.notice::json,
        made.latency_s,
        made.rule,
        made.image_id,
        made.avro_packet,
        made.kafka_low_watermark::jsonb
    from
        unnest(
            $1::bigint[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[],
            $8::bigint[], $9::bigint[], $10::text[], $11::text[], $12::float8[], $13::float8[],
            $14::float8[], $15::float8[], $16::timestamptz[], $17::timestamptz[], $18::bytea[],
            $19::text[], $20::float8[], $21::text[], $22::text[], $23::bytea[],
            $24::text[]
        ) as made (
            id, ivorn, trig_id, revision, event_id, alert_type, role, transient_id, source_id,
            stream, kind, ra, dec, snr, flux_peak_jy_beam, time_start, time_alert, voevent, notice,
            latency_s, rule, image_id, avro_packet, kafka_low_watermark
        )
    on conflict (event_id) do nothing
    returning alert.id
)

select
    inserted.id,
    pg_notify('livetrap_alert', inserted.id::text) as notified
from inserted
order by inserted.id

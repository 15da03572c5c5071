-- Store the looks of a timestep that are judged later, with what it changed of sources that waited
-- before, and its requests, which have no answer yet.
--
-- $1   stream_id           int
-- $2   timestep_id         bigint
-- $3   time_start          timestamptz
-- $4   image_keys          bigint[]
-- $5   source_ids          bigint[]
-- $6   doubtful_ids        bigint[]
-- $7   before_ids          bigint[]
-- $8   before_sources      bytea
-- $9   before_statistics   bytea
-- $10  retracted_ids       bigint[]
-- $11  retraction_reasons  text[]
-- $12  doubtful_active_ids  bigint[]
-- $13  request_image_key    bigint[]
-- $14  request_source_ids   text[]    one array of ids each, as text
with requested as (
    insert into waiting_request (stream_id, image_key, timestep_id, source_ids)
    select
        $1::int,
        row_in.request_image_key as image_key,
        $2::bigint,
        row_in.request_source_ids::bigint[] as source_ids
    from unnest($13::bigint[], $14::text[]) as row_in (request_image_key, request_source_ids)
    on conflict (stream_id, image_key) do nothing
)

insert into waiting_timestep (
    stream_id, timestep_id, time_start, image_keys, source_ids, doubtful_ids, before_ids, before_sources,
    before_statistics, retracted_ids, retraction_reasons, doubtful_active_ids
)
values (
    $1::int,
    $2::bigint,
    $3::timestamptz,
    $4::bigint[],
    $5::bigint[],
    $6::bigint[],
    $7::bigint[],
    $8::bytea,
    $9::bytea,
    $10::bigint[],
    $11::text[],
    $12::bigint[]
)

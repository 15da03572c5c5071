-- Faint sources that were announced, seen once, and never again leave the running catalogue as others do;
-- what is told of them stays.

alter table transient drop constraint transient_source_id_fkey;

alter table archived_source
add column eta float8 not null default 0,
add column v float8 not null default 0,
add column is_new boolean not null default false,
add column is_variable boolean not null default false;
comment on table archived_source is
'Source seen once or twice that forced photometry did not show again; a faint one if it was announced';
comment on column archived_source.eta is
'Reduced chi-square against a constant flux, largest of its bands [-]';
comment on column archived_source.v is
'Coefficient of variation of the flux in the band of that eta [-]';
comment on column archived_source.is_new is 'Whether an event has announced it as new';
comment on column archived_source.is_variable is 'Whether an event has announced it as variable';

-- An archived source has its own measurements: none is shared, and none has a parent.
create or replace function light_curve(wanted_source_id bigint, n_newest bigint) returns setof detection
language plpgsql stable
as $$
declare
    source_stream_id int := coalesce(
        (select source.stream_id from source where source.id = wanted_source_id),
        (select archived_source.stream_id from archived_source where archived_source.id = wanted_source_id)
    );
begin
    return query
    with recursive ancestor as (
        (
            select
                source.id,
                source.parent_source_id,
                source.first_time_start,
                source.first_image_key,
                'infinity'::timestamptz as until_time,
                0::bigint as until_image_key
            from source
            where source.id = wanted_source_id
            union all
            select
                archived_source.id,
                null::bigint as parent_source_id,
                archived_source.first_time_start,
                archived_source.first_image_key,
                'infinity'::timestamptz as until_time,
                0::bigint as until_image_key
            from archived_source
            where archived_source.id = wanted_source_id
        )
        union all
        select
            parent.id,
            parent.parent_source_id,
            parent.first_time_start,
            parent.first_image_key,
            ancestor.first_time_start as until_time,
            ancestor.first_image_key as until_image_key
        from ancestor
        inner join source as parent on ancestor.parent_source_id = parent.id
    )

    select own.*
    from ancestor
    cross join lateral (
        select detection.*
        from detection
        where
            detection.stream_id = source_stream_id
            and detection.source_id = ancestor.id
            and detection.time_start <= ancestor.until_time
            and (detection.time_start, detection.image_key) < (ancestor.until_time, ancestor.until_image_key)
        order by detection.time_start desc
        limit n_newest
    ) as own
    union all
    select shared.*
    from ancestor
    cross join lateral (
        select detection.*
        from shared_detection
        inner join detection
            on
                detection.stream_id = source_stream_id
                and shared_detection.time_start = detection.time_start
                and shared_detection.image_key = detection.image_key
                and shared_detection.source_number = detection.source_number
        where
            shared_detection.source_id = ancestor.id
            and shared_detection.time_start <= ancestor.until_time
            and (shared_detection.time_start, shared_detection.image_key)
            < (ancestor.until_time, ancestor.until_image_key)
        order by shared_detection.time_start desc
        limit n_newest
    ) as shared;
end
$$;

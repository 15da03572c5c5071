-- Detections by stream and month, light curves as one function, sky coverage by cells.

-- A stream's detections are a table of their own, in months: a stream is deleted, and old
-- measurements expire, by dropping tables.
alter table detection rename to detection_before;
alter index detection_pkey rename to detection_before_pkey;
alter index detection_source_id_time_start_idx rename to detection_before_source_idx;
create table detection (
    stream_id int not null,
    like detection_before including defaults including constraints including comments,
    primary key (stream_id, time_start, image, source_number)
) partition by list (stream_id);
create index on detection (source_id, time_start);
comment on table detection is 'Every measurement; ensure_detection_partition makes its months';

drop function ensure_detection_partition;
create function ensure_detection_partition(wanted_stream_id int, moment timestamptz) returns void
language plpgsql
as $$
declare
    of_stream text := 'detection_s' || wanted_stream_id;
    month_start timestamp := date_trunc('month', moment at time zone 'UTC');
    of_month text := of_stream || '_' || to_char(month_start, 'YYYY_MM');
begin
    if to_regclass(of_month) is not null then
        return;
    end if;
    perform pg_advisory_xact_lock(hashtext(of_stream));
    -- Attaching a finished table locks out no reader; "create partition of" would.
    if to_regclass(of_stream) is null then
        execute format(
            'create table %I (like detection including defaults including constraints) '
            'partition by range (time_start)',
            of_stream
        );
        execute format(
            'alter table detection attach partition %I for values in (%L)', of_stream, wanted_stream_id
        );
    end if;
    if to_regclass(of_month) is null then
        -- It only grows, and is read by index: the usual analysis every 2 % would never end.
        execute format(
            'create table %I (like detection including defaults including constraints) '
            'with (autovacuum_analyze_scale_factor = 0.5)',
            of_month
        );
        execute format(
            'alter table %I attach partition %I for values from (%L) to (%L)',
            of_stream,
            of_month,
            month_start at time zone 'UTC',
            (month_start + interval '1 month') at time zone 'UTC'
        );
    end if;
end
$$;

-- Drop the months of a stream that ended before a moment; return their names.
create function drop_detection_partitions(wanted_stream_id int, moment timestamptz) returns setof text
language plpgsql
as $$
declare
    of_month text;
begin
    for of_month in
        select partition.relname
        from pg_inherits
        inner join pg_class as partition on pg_inherits.inhrelid = partition.oid
        where
            pg_inherits.inhparent = to_regclass('detection_s' || wanted_stream_id)
            and (to_date(right(partition.relname, 7), 'YYYY_MM') + interval '1 month') at time zone 'UTC' <= moment
        order by partition.relname
    loop
        execute format('drop table %I', of_month);
        return next of_month;
    end loop;
end
$$;

-- Move what is there; a database that ran before this migration has little.
select ensure_detection_partition(month.stream_id, month.time_start)
from (
    select
        image.stream_id,
        min(detection_before.time_start) as time_start
    from detection_before
    inner join image on detection_before.image = image.id
    group by image.stream_id, date_trunc('month', detection_before.time_start at time zone 'UTC')
) as month;
insert into detection
select
    image.stream_id,
    detection_before.*
from detection_before
inner join image on detection_before.image = image.id;
drop table detection_before;

-- References that only a scan could check when a stream is deleted. Both ends of each are written
-- by one transaction of one service.
alter table source drop constraint source_first_image_fkey;
alter table transient drop constraint transient_image_fkey;
alter table image drop constraint image_timestep_id_fkey;
create index on source (parent_source_id) where parent_source_id is not null;

-- The points of a light curve: a source's own, those it shares with another source (n-1), and
-- those of its ancestors from before it split off; of each of these at most the newest so many.
-- The stream is looked up first: the plan then has its partitions alone.
create function light_curve(wanted_source_id bigint, n_newest bigint) returns setof detection
language plpgsql stable
as $$
declare
    its_stream_id int := (select source.stream_id from source where source.id = wanted_source_id);
begin
    return query
    with recursive ancestor as (
        select
            source.id,
            source.parent_source_id,
            source.first_time_start,
            source.first_image,
            'infinity'::timestamptz as until_time,
            0::bigint as until_image
        from source
        where source.id = wanted_source_id
        union all
        select
            parent.id,
            parent.parent_source_id,
            parent.first_time_start,
            parent.first_image,
            ancestor.first_time_start as until_time,
            ancestor.first_image as until_image
        from ancestor
        inner join source as parent on ancestor.parent_source_id = parent.id
    )

    select own.*
    from ancestor
    cross join lateral (
        select detection.*
        from detection
        where
            detection.stream_id = its_stream_id
            and detection.source_id = ancestor.id
            and detection.time_start <= ancestor.until_time
            and (detection.time_start, detection.image) < (ancestor.until_time, ancestor.until_image)
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
                detection.stream_id = its_stream_id
                and shared_detection.time_start = detection.time_start
                and shared_detection.image = detection.image
                and shared_detection.source_number = detection.source_number
        where
            shared_detection.source_id = ancestor.id
            and shared_detection.time_start <= ancestor.until_time
            and (shared_detection.time_start, shared_detection.image)
            < (ancestor.until_time, ancestor.until_image)
        order by shared_detection.time_start desc
        limit n_newest
    ) as shared;
end
$$;
comment on function light_curve is 'Points of a source; n_newest null: all of them';

-- Which earlier image looked deepest at each HEALPix cell: as many rows as the sky has cells,
-- however many fields a drift scan makes. Sky coverage before this migration is forgotten: the
-- next image of each field brings it back.
drop table deepest_look;
create table sky_coverage (
    band_id int not null references band (id),
    stokes text not null,
    cell bigint not null,
    image bigint not null,
    rms_jy_beam float8 not null,
    primary key (band_id, stokes, cell)
) with (fillfactor = 70);
comment on table sky_coverage is
'The deepest earlier image of each cell of the sky, band and Stokes parameter';
comment on column sky_coverage.cell is '4 * 4^order + nested HEALPix pixel (NUNIQ) [-]';
comment on column sky_coverage.rms_jy_beam is 'Its rms in the middle of what it shows of the cell [Jy/beam]';

-- Forget a stream: its measurements by dropping their partition, the rest by index. Its books
-- (image_ledger) and the alerts that went out stay. Locks the stream's row first: an associator
-- that works on it waits, and makes the stream anew with its next image.
create function delete_stream(wanted_stream_id int) returns void
language plpgsql
as $$
begin
    perform 1 from stream where stream.id = wanted_stream_id for update;
    execute format('drop table if exists %I', 'detection_s' || wanted_stream_id);
    delete from shared_detection
    where shared_detection.source_id in (select source.id from source where source.stream_id = wanted_stream_id);
    delete from source_band
    where source_band.source_id in (select source.id from source where source.stream_id = wanted_stream_id);
    delete from transient
    where transient.stream_id = wanted_stream_id;
    delete from source
    where source.stream_id = wanted_stream_id;
    delete from sky_coverage
    where sky_coverage.band_id in (select band.id from band where band.stream_id = wanted_stream_id);
    delete from channel
    where channel.band_id in (select band.id from band where band.stream_id = wanted_stream_id);
    delete from image
    where image.stream_id = wanted_stream_id;
    delete from timestep
    where timestep.stream_id = wanted_stream_id;
    delete from band
    where band.stream_id = wanted_stream_id;
    delete from stream
    where stream.id = wanted_stream_id;
end
$$;

-- A timestep updates thousands of rows of these two in place, and the next one prunes what it left:
-- vacuum has little to do, and every analysis holds a snapshot that stops the pruning. Their plans
-- are index look-ups, whatever the statistics say.
alter table source set (
    autovacuum_vacuum_scale_factor = 0.2,
    autovacuum_analyze_scale_factor = 2,
    autovacuum_analyze_threshold = 100000
);
alter table source_band set (
    autovacuum_vacuum_scale_factor = 0.2,
    autovacuum_analyze_scale_factor = 2,
    autovacuum_analyze_threshold = 100000
);

-- Months of a stream with few measurements share a partition (ADR 121).

create function detection_partitions(wanted_stream_id int)
returns table (name text, time_min timestamptz, time_end timestamptz)
language sql stable
as $$
    select
        partition.relname::text as name,
        (regexp_match(bounds.text, 'FROM \(''([^'']+)''\)'))[1]::timestamptz as time_min,
        (regexp_match(bounds.text, 'TO \(''([^'']+)''\)'))[1]::timestamptz as time_end
    from pg_inherits
    inner join pg_class as partition on pg_inherits.inhrelid = partition.oid
    cross join lateral (select pg_get_expr(partition.relpartbound, partition.oid) as text) as bounds
    where pg_inherits.inhparent = to_regclass('detection_s' || wanted_stream_id)
$$;
comment on function detection_partitions is
'Partitions of the measurements of a stream, and what times each has';

create or replace function ensure_detection_partition(wanted_stream_id int, moment timestamptz) returns void
language plpgsql
as $$
declare
    stream_partition text := 'detection_s' || wanted_stream_id;
    month_start timestamp := date_trunc('month', moment at time zone 'UTC');
    month_partition text := stream_partition || '_' || to_char(month_start, 'YYYY_MM');
begin
    if to_regclass(month_partition) is not null then
        return;
    end if;
    perform pg_advisory_xact_lock(hashtext(stream_partition));
    -- Attaching a finished table locks out no reader; "create partition of" would.
    if to_regclass(stream_partition) is null then
        execute format(
            'create table %I (like detection including defaults including constraints) '
            'partition by range (time_start)',
            stream_partition
        );
        execute format(
            'alter table detection attach partition %I for values in (%L)', stream_partition, wanted_stream_id
        );
    end if;
    if to_regclass(month_partition) is null and not exists (
        select
        from detection_partitions(wanted_stream_id) as existing
        where moment >= existing.time_min and moment < existing.time_end
    ) then
        -- It only grows, and is read by index: an analysis at every 2 % of growth would never end.
        execute format(
            'create table %I (like detection including defaults including constraints) '
            'with (autovacuum_analyze_scale_factor = 0.5)',
            month_partition
        );
        execute format(
            'alter table %I attach partition %I for values from (%L) to (%L)',
            stream_partition,
            month_partition,
            month_start at time zone 'UTC',
            (month_start + interval '1 month') at time zone 'UTC'
        );
    end if;
end
$$;
comment on function ensure_detection_partition is
'Create the partition of a stream for the month of a moment, if no other one has that month';

-- Attaching it again reads all of the partition, and nobody else reads the stream meanwhile. Images wait
-- for it, so it waits for readers for a short time only; then it fails, and the month is its own partition.
create function extend_detection_partition(wanted_stream_id int, moment timestamptz, largest_bytes bigint)
returns boolean
language plpgsql
as $$
declare
    stream_partition text := 'detection_s' || wanted_stream_id;
    month_start timestamp := date_trunc('month', moment at time zone 'UTC');
    month_partition text := stream_partition || '_' || to_char(month_start, 'YYYY_MM');
    newest record;
begin
    perform set_config('lock_timeout', '200ms', true);
    perform pg_advisory_xact_lock(hashtext(stream_partition));
    select existing.name, existing.time_min, existing.time_end
    into newest
    from detection_partitions(wanted_stream_id) as existing
    order by existing.time_end desc
    limit 1;
    if newest.name is null or newest.time_end > moment
        or pg_relation_size(newest.name::regclass) > largest_bytes
    then
        return false;
    end if;
    execute format('alter table %I detach partition %I', stream_partition, newest.name);
    -- Its name says its last month.
    execute format('alter table %I rename to %I', newest.name, month_partition);
    execute format(
        'alter table %I attach partition %I for values from (%L) to (%L)',
        stream_partition,
        month_partition,
        newest.time_min,
        (month_start + interval '1 month') at time zone 'UTC'
    );
    return true;
end
$$;
comment on function extend_detection_partition is
'Give the newest partition of a stream the month of a moment, too, while it is small';

create or replace function drop_detection_partitions(wanted_stream_id int, moment timestamptz)
returns setof text
language plpgsql
as $$
declare
    expired text;
begin
    for expired in
        select existing.name
        from detection_partitions(wanted_stream_id) as existing
        where existing.time_end <= moment
        order by existing.time_end
    loop
        execute format('drop table %I', expired);
        return next expired;
    end loop;
end
$$;
comment on function drop_detection_partitions is
'Drop the partitions of a stream whose months ended before a moment; return their names';

create function delete_expired_detections(retention interval, most bigint) returns bigint
language plpgsql
as $$
declare
    expired record;
    n_deleted bigint;
    n_left bigint := most;
begin
    for expired in
        select
            stream.id as stream_id,
            existing.name,
            date_trunc('month', stream.closed_until - retention, 'UTC') as time_end
        from stream
        cross join lateral detection_partitions(stream.id) as existing
        where
            existing.time_min < date_trunc('month', stream.closed_until - retention, 'UTC')
            and existing.time_end > date_trunc('month', stream.closed_until - retention, 'UTC')
        order by stream.id
    loop
        execute format(
            'delete from %I where ctid = any(array('
            'select measured.ctid from %I as measured '
            'where measured.stream_id = $1 and measured.time_start < $2 limit $3))',
            expired.name,
            expired.name
        )
        using expired.stream_id, expired.time_end, n_left;
        get diagnostics n_deleted = row_count;
        n_left := n_left - n_deleted;
        exit when n_left <= 0;
    end loop;
    return most - n_left;
end
$$;
comment on function delete_expired_detections is
'Delete measurements of months that ended before the retention from partitions that have later ones';

-- Sources that are missed, places to watch, and places that could not be measured.

-- Known sources that the last timesteps of their stream did not show. A source that is seen
-- again, or missed too often, leaves.
create table null_detection (
    stream_id int not null references stream (id),
    source_id bigint not null,
    n_timesteps int not null,
    primary key (stream_id, source_id)
) with (fillfactor = 70);
comment on table null_detection is 'Sources that are measured by force where they are not seen';
comment on column null_detection.n_timesteps is 'Timesteps in a row without a blind detection [-]';

create table forced_gap (
    stream_id int not null,
    image bigint not null,
    source_id bigint not null,
    reason text not null,
    primary key (stream_id, image, source_id)
);
comment on table forced_gap is 'Forced measurements that could not be made, and why';
comment on column forced_gap.reason is 'outside, blank, confused, image_gone or the code of a rejection';

-- Positions that somebody wants measured in every image of a stream, which need not have begun.
create table monitor (
    id bigint generated always as identity primary key,
    stream text not null,
    name text not null,
    ra float8 not null check (ra >= 0 and ra < 360),
    dec float8 not null check (dec between -90 and 90),
    source_id bigint references source (id),
    time_created timestamptz not null default now(),
    unique (stream, ra, dec)
);
comment on column monitor.ra is 'ICRS [deg]';
comment on column monitor.dec is 'ICRS [deg]';
comment on column monitor.source_id is 'Whose light curve it is; null until an image shows its place';
comment on column source.zone is 'floor(search_dec / 0.5); 32767 is never searched: a monitor owns it [-]';

create or replace function delete_stream(wanted_stream_id int) returns void
language plpgsql
as $$
begin
    perform 1 from stream where stream.id = wanted_stream_id for update;
    execute format('drop table if exists %I', 'detection_s' || wanted_stream_id);
    delete from monitor
    where monitor.stream = (select stream.name from stream where stream.id = wanted_stream_id);
    delete from null_detection
    where null_detection.stream_id = wanted_stream_id;
    delete from forced_gap
    where forced_gap.stream_id = wanted_stream_id;
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

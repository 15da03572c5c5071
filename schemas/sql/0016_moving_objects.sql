-- Detections are linked to tracks: an object that moves is one source and one event.

alter table source
drop constraint source_activity_check,
add constraint source_activity_check check (activity in (-1, 0, 1, 2, 3));
comment on column source.activity is
'Episode that is going on: 1 brighter than before, -1 fainter, 0 none, 2 waits for a look back, 3 moves [-]';

alter table transient
add column rate_arcsec_s float8,
add column direction_deg float8;
comment on column transient.rate_arcsec_s is
'Angular rate of a moving object; null: it does not move [arcsec/s]';
comment on column transient.direction_deg is
'Position angle of its motion at its position, north through east [deg]';

alter table waiting_timestep
add column retracted_ids bigint[] not null default '{}',
add column retraction_reasons text[] not null default '{}';
comment on column waiting_timestep.retracted_ids is
'Sources that turned out to be a moving object: their first events are taken back [-]';
comment on column waiting_timestep.retraction_reasons is 'Why, in the order of retracted_ids';

create table tracking (
    stream_id int primary key references stream (id) on delete cascade,
    look bigint not null,
    source_id bigint[] not null,
    track_id bigint[] not null,
    looks bigint[] not null,
    time_s float8[] not null,
    ra float8[] not null,
    dec float8[] not null,
    err_deg float8[] not null
);
comment on table tracking is
'Last detections of a stream that may belong to moving objects, and the last ones of those that move';
comment on column tracking.stream_id is 'Stream [-]';
comment on column tracking.look is 'Timesteps so far in which there were such detections [-]';
comment on column tracking.source_id is 'Sources of the detections [-]';
comment on column tracking.track_id is
'Sources that they are detections of: moving objects; 0: of none yet [-]';
comment on column tracking.looks is 'Timesteps of the detections, counted as in look [-]';
comment on column tracking.time_s is 'Middles of their exposures, since 1970 [s]';
comment on column tracking.ra is 'Right ascensions, ICRS [deg]';
comment on column tracking.dec is 'Declinations, ICRS [deg]';
comment on column tracking.err_deg is 'Errors of the positions, 1 sigma [deg]';

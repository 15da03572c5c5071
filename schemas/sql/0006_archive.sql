-- Sources that were peaks of the noise leave the running catalogue.

create table archived_source (
    id bigint primary key,
    stream_id int not null references stream (id) on delete cascade,
    ra float8 not null,
    dec float8 not null,
    n_datapoints int not null,
    n_forced int not null,
    snr_forced float8,
    first_image_key bigint not null,
    first_source_number int not null,
    first_time_start timestamptz not null,
    last_time_start timestamptz not null,
    time_archived timestamptz not null
);
create index on archived_source (stream_id, first_time_start);
comment on table archived_source is
'Source that was seen once or twice, was never announced, and that forced photometry did not show again';
comment on column archived_source.id is 'Identity of the source, as its detections have it [-]';
comment on column archived_source.stream_id is 'Stream [-]';
comment on column archived_source.ra is 'Weighted mean right ascension, ICRS [deg]';
comment on column archived_source.dec is 'Weighted mean declination, ICRS [deg]';
comment on column archived_source.n_datapoints is 'Blind detections [-]';
comment on column archived_source.n_forced is 'Forced measurements [-]';
comment on column archived_source.snr_forced is
'Weighted mean of the forced fluxes over its error, largest of its bands [-]';
comment on column archived_source.first_image_key is 'Image of its first detection [-]';
comment on column archived_source.first_source_number is
'Number of its first detection in that image [-]';
comment on column archived_source.first_time_start is
'Start of the exposure of its first detection [UTC]';
comment on column archived_source.last_time_start is
'Start of the exposure of its last detection [UTC]';
comment on column archived_source.time_archived is 'When it left the running catalogue [UTC]';

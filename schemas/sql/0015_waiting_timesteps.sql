-- Looks at sources are judged in the order of their timesteps, each with the answers to its requests.

create table waiting_timestep (
    stream_id int not null references stream (id) on delete cascade,
    timestep_id bigint not null,
    time_start timestamptz not null,
    image_keys bigint[] not null,
    source_ids bigint[] not null,
    doubtful_ids bigint[] not null,
    before_ids bigint[] not null,
    before_sources bytea not null,
    before_statistics bytea not null,
    primary key (stream_id, timestep_id)
);
comment on table waiting_timestep is
'Timestep with looks at sources that are not judged yet: an answer of it or of an earlier one is missing';
comment on column waiting_timestep.stream_id is 'Stream [-]';
comment on column waiting_timestep.timestep_id is 'Timestep; they are judged in this order [-]';
comment on column waiting_timestep.time_start is 'Start of its first exposure [UTC]';
comment on column waiting_timestep.image_keys is 'Its accepted images in ascending frequency [-]';
comment on column waiting_timestep.source_ids is 'Sources whose looks in it are not judged yet [-]';
comment on column waiting_timestep.doubtful_ids is
'Those of them that leave the catalogue if no measurement confirms them [-]';
comment on column waiting_timestep.before_ids is
'Sources that waited already when it changed their positions and blind statistics, ascending [-]';
comment on column waiting_timestep.before_sources is
'Rows of source from before that change, in the order of before_ids: binary records of the associator';
comment on column waiting_timestep.before_statistics is
'Their rows of source_band from before that change: binary records of the associator';

create table waiting_request (
    stream_id int not null references stream (id) on delete cascade,
    image_key bigint not null,
    timestep_id bigint not null,
    source_ids bigint[] not null,
    primary key (stream_id, image_key)
);
create index on waiting_request (stream_id, timestep_id);
comment on table waiting_request is 'Request for forced photometry of an image without an answer';
comment on column waiting_request.stream_id is 'Stream [-]';
comment on column waiting_request.image_key is 'Image to be measured [-]';
comment on column waiting_request.timestep_id is 'Its timestep [-]';
comment on column waiting_request.source_ids is 'Sources without an answer, ascending [-]';

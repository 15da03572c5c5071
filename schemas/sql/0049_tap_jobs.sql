-- Jobs of TAP (UWS 1.1) and their answers (ADR 0057).

create table tap_job (
    job_id text primary key,
    client text not null,
    run_id text,
    phase text not null default 'PENDING'
    check (phase in ('PENDING', 'QUEUED', 'EXECUTING', 'COMPLETED', 'ERROR', 'ABORTED')),
    parameters text not null,
    base_url text not null,
    execution_duration_s int not null check (execution_duration_s > 0),
    time_created timestamptz not null default now(),
    time_started timestamptz,
    time_alive timestamptz,
    time_ended timestamptz,
    time_destruction timestamptz not null,
    error text,
    media_type text,
    suffix text,
    n_chunks int not null default 0,
    n_bytes bigint not null default 0
) with (fillfactor = 70);
create index on tap_job (client);
create index on tap_job (time_destruction);
create index on tap_job (time_created) where phase in ('QUEUED', 'EXECUTING');
comment on table tap_job is 'Queries of TAP that are answered later; an identity is a secret';
comment on column tap_job.job_id is 'Identity: 128 random bits';
comment on column tap_job.client is 'Address of who asked, for the limits';
comment on column tap_job.run_id is 'Name that the client gave it';
comment on column tap_job.phase is 'Phase of UWS';
comment on column tap_job.parameters is 'Parameters of TAP, JSON';
comment on column tap_job.base_url is 'Address of the server, in links to pixels';
comment on column tap_job.execution_duration_s is 'Time that it may take [s]';
comment on column tap_job.time_created is 'When it was stored [UTC]';
comment on column tap_job.time_started is 'When it was begun [UTC]';
comment on column tap_job.time_alive is 'When its process said last that it works at it [UTC]';
comment on column tap_job.time_ended is 'When it was completed, failed or was aborted [UTC]';
comment on column tap_job.time_destruction is 'When it is deleted [UTC]';
comment on column tap_job.error is 'Why it failed';
comment on column tap_job.media_type is 'Media type of the answer';
comment on column tap_job.suffix is 'Suffix of a file of the answer';
comment on column tap_job.n_chunks is 'Pieces of the answer that are stored [-]';
comment on column tap_job.n_bytes is 'Length of the answer as far as it is stored, bytes [-]';

create table tap_chunk (
    job_id text not null references tap_job (job_id) on delete cascade,
    number int not null,
    data bytea not null,
    primary key (job_id, number)
);
comment on table tap_chunk is 'Pieces of the answers of jobs';
comment on column tap_chunk.job_id is 'Job';
comment on column tap_chunk.number is 'Number of the piece, from 0 [-]';
comment on column tap_chunk.data is 'Bytes of the answer';

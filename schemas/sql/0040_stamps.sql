-- Pixels around each source that an event announces (ADR 0047).

-- Transients from before have no stamps: their pixels are gone.
alter table transient add column needs_stamps boolean not null default false;
alter table transient alter column needs_stamps set default true;
comment on column transient.needs_stamps is 'Whether nobody has asked for its stamps yet';
create index on transient (id) where needs_stamps;

create table stamp (
    stamp_id text primary key,
    trig_id text not null,
    role text not null check (role in ('now', 'before', 'deepest')),
    transient_id bigint not null,
    source_id bigint not null,
    stream_id int not null references stream (id) on delete cascade,
    ra float8 not null,
    dec float8 not null,
    image_key bigint,
    image_id text,
    time_start timestamptz,
    freq_eff_hz float8,
    stokes text,
    rms_jy_beam float8,
    state text not null check (state in ('waiting', 'stored', 'missing')),
    reason text check ((reason is not null) = (state = 'missing')),
    sha256 text,
    n_bytes int,
    time_requested timestamptz not null,
    time_answered timestamptz
);
create index on stamp (source_id);
create index on stamp (transient_id);
create index on stamp (image_key) where state = 'stored';
create index on stamp (time_requested) where state = 'waiting';
create index on stamp (time_answered) include (n_bytes) where state = 'stored';
comment on table stamp is 'Square of pixels around a source that an event announced, or why there is none';
comment on column stamp.stamp_id is 'Identity: trig_id and role, joined by a hyphen';
comment on column stamp.trig_id is 'Identity that the alerts of the transient share';
comment on column stamp.role is
'now: the image of the detection; before: the previous one of the band; deepest: the deepest earlier one';
comment on column stamp.transient_id is 'Transient [-]';
comment on column stamp.source_id is 'Source [-]';
comment on column stamp.stream_id is 'Stream [-]';
comment on column stamp.ra is 'Right ascension of its centre, ICRS [deg]';
comment on column stamp.dec is 'Declination of its centre, ICRS [deg]';
comment on column stamp.image_key is 'Image; null: there is none [-]';
comment on column stamp.image_id is 'sha256 of the image, hexadecimal';
comment on column stamp.time_start is 'Start of the exposure of the image [UTC]';
comment on column stamp.freq_eff_hz is 'Effective frequency of the image [Hz]';
comment on column stamp.stokes is 'Stokes parameter of the image';
comment on column stamp.rms_jy_beam is 'Median local rms of the image [Jy/beam]';
comment on column stamp.state is 'State: waiting for the extractor, stored, or missing';
comment on column stamp.reason is 'Code of the reason why it is missing';
comment on column stamp.sha256 is 'sha256 of its file, hexadecimal; it stays when the file is deleted';
comment on column stamp.n_bytes is 'Bytes of its file [-]';
comment on column stamp.time_requested is 'When the extractor was asked [UTC]';
comment on column stamp.time_answered is 'When its file was stored, or it went missing [UTC]';

create table stamp_file (
    stamp_id text primary key references stamp (stamp_id) on delete cascade,
    data bytea not null
);
comment on table stamp_file is 'Files of the stamps that are stored';
comment on column stamp_file.stamp_id is 'Stamp';
comment on column stamp_file.data is 'FITS file with one tile-compressed image [byte]';

-- Which accepted images the archive has, and since when it has others no longer (ADR 0077).

create table archived_image (
    image_id text primary key,
    stream text not null,
    time_start timestamptz not null,
    name text,
    n_bytes bigint not null default 0,
    time_archived timestamptz not null,
    is_kept boolean not null default false,
    time_gone timestamptz,
    gone_reason text,
    check ((time_gone is null) = (gone_reason is null)),
    check (name is not null or time_gone is not null)
);
create index on archived_image (time_archived, image_id) where time_gone is null and not is_kept;
create index on archived_image (n_bytes) where time_gone is null;
create index on archived_image (time_gone) where time_gone is not null;
comment on table archived_image is
'Accepted image that the archive has, had, or never got; one that two streams have is one file';
comment on column archived_image.image_id is 'sha256 of the image, hexadecimal';
comment on column archived_image.stream is 'Stream that brought it first';
comment on column archived_image.time_start is 'Start of the exposure [UTC]';
comment on column archived_image.name is 'File below LIVETRAP_ARCHIVE__URL; null: it was never archived';
comment on column archived_image.n_bytes is 'Bytes of the file [-]';
comment on column archived_image.time_archived is 'When it was archived, or first missed [UTC]';
comment on column archived_image.is_kept is 'Whether an alert is about it, so that it is never deleted';
comment on column archived_image.time_gone is 'When its file was deleted, or found missing [UTC]';
comment on column archived_image.gone_reason is 'Code of the reason why there is no file';

-- An image with an alert of any type is kept.
create index on alert (image_id);

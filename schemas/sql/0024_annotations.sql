-- What people and programs say about a source: tags, classifications, comments.
--
-- No row refers to source by a foreign key: a source may leave the running catalogue (ADR 0030), and
-- what was said about it stays.

create table source_tag (
    id bigint generated always as identity primary key,
    source_id bigint not null,
    tag text not null check (tag ~ '^[a-z0-9][a-z0-9_-]{0,39}$'),
    actor text not null,
    time_created timestamptz not null default now(),
    unique (source_id, tag)
);
create index on source_tag (tag, source_id);
comment on table source_tag is 'Word by which a source is found again';
comment on column source_tag.id is 'Key of the row, in order of insertion [-]';
comment on column source_tag.source_id is 'Source [-]';
comment on column source_tag.tag is 'Tag: lower case, digits, dash, underscore';
comment on column source_tag.actor is 'Name of the token that added it';
comment on column source_tag.time_created is 'When it was added [UTC]';

create table source_classification (
    id bigint generated always as identity primary key,
    source_id bigint not null,
    classification text not null check (length(classification) between 1 and 60),
    probability float8 check (probability between 0 and 1),
    origin text not null check (length(origin) between 1 and 60),
    note text not null check (length(note) <= 1000),
    actor text not null,
    time_created timestamptz not null default now(),
    unique (source_id, origin)
);
comment on table source_classification is 'What an origin says that a source is; the newest of each origin';
comment on column source_classification.id is 'Key of the row, in order of insertion [-]';
comment on column source_classification.source_id is 'Source [-]';
comment on column source_classification.classification is 'Class, such as pulsar, flare star, satellite';
comment on column source_classification.probability is 'Probability of the class; null: not given [-]';
comment on column source_classification.origin is
'Who or what classifies: a person, or a classifier and its version';
comment on column source_classification.note is 'Reason, free text';
comment on column source_classification.actor is 'Name of the token that wrote it';
comment on column source_classification.time_created is 'When it was written [UTC]';

create table source_comment (
    id bigint generated always as identity primary key,
    source_id bigint not null,
    body text not null check (length(body) between 1 and 4000),
    actor text not null,
    time_created timestamptz not null default now()
);
create index on source_comment (source_id, id);
comment on table source_comment is 'Remark about a source';
comment on column source_comment.id is 'Key of the row, in order of insertion [-]';
comment on column source_comment.source_id is 'Source [-]';
comment on column source_comment.body is 'Text';
comment on column source_comment.actor is 'Name of the token that wrote it';
comment on column source_comment.time_created is 'When it was written [UTC]';

create trigger audit_source_tag after insert or update or delete on source_tag
for each row when (coalesce(current_setting('livetrap.actor', true), '') <> '')
execute function record_write();
create trigger audit_source_classification after insert or update or delete on source_classification
for each row when (coalesce(current_setting('livetrap.actor', true), '') <> '')
execute function record_write();
create trigger audit_source_comment after insert or update or delete on source_comment
for each row when (coalesce(current_setting('livetrap.actor', true), '') <> '')
execute function record_write();

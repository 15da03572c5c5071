-- Tokens of those who write over the API, and what each write changed (ADR 0044).

create table api_token (
    id bigint generated always as identity primary key,
    name text not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    token_sha256 bytea not null unique check (octet_length(token_sha256) = 32),
    scopes text[] not null
    check (cardinality(scopes) > 0 and scopes <@ array['read', 'annotate', 'operate']),
    time_created timestamptz not null default now(),
    time_expires timestamptz,
    time_last_used timestamptz,
    time_revoked timestamptz
);
create unique index on api_token (name) where time_revoked is null;
comment on table api_token is 'Token that allows requests over the API; its text is not stored';
comment on column api_token.id is 'Key of the row, in order of insertion [-]';
comment on column api_token.name is 'Who has it; stands in audit';
comment on column api_token.token_sha256 is 'SHA-256 of the token';
comment on column api_token.scopes is 'What it allows: read, annotate, operate';
comment on column api_token.time_created is 'When it was created [UTC]';
comment on column api_token.time_expires is 'From when it is refused; null: never [UTC]';
comment on column api_token.time_last_used is 'When it was used last, to a minute [UTC]';
comment on column api_token.time_revoked is 'When it was revoked; null: it was not [UTC]';

create table audit (
    id bigint generated always as identity primary key,
    time_written timestamptz not null default now(),
    actor text not null,
    action text not null,
    object text not null,
    object_id text not null,
    row_before jsonb,
    row_after jsonb
);
create index on audit (object, object_id, id);
create index on audit (actor, id);
comment on table audit is 'Writes that a person or program asked for: who, when, what, and what was before';
comment on column audit.id is 'Key of the row, in order of insertion [-]';
comment on column audit.time_written is 'When the transaction began [UTC]';
comment on column audit.actor is 'Name of the token, or user of the command line';
comment on column audit.action is 'insert, update, delete, retract or redrive';
comment on column audit.object is 'Table of the row, or kind of the object';
comment on column audit.object_id is 'Key of the row or object';
comment on column audit.row_before is 'Row before; null for an insert';
comment on column audit.row_after is 'Row after, or what was asked; null for a delete';

-- The setting livetrap.actor, local to a transaction, names who asks; services do not set it.
create function record_write() returns trigger language plpgsql as $$
declare
    was jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) - 'token_sha256' end;
    becomes jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) - 'token_sha256' end;
begin
    if was is distinct from becomes then
        insert into audit (actor, action, object, object_id, row_before, row_after)
        values (
            current_setting('livetrap.actor'), lower(tg_op), tg_table_name,
            coalesce(becomes, was) ->> 'id', was, becomes
        );
    end if;
    return null;
end
$$;
comment on function record_write is 'Copy the rows before and after a write into audit, for the actor';
create trigger audit_api_token after insert or update or delete on api_token
for each row when (coalesce(current_setting('livetrap.actor', true), '') <> '')
execute function record_write();
create trigger audit_monitor after insert or update or delete on monitor
for each row when (coalesce(current_setting('livetrap.actor', true), '') <> '')
execute function record_write();

-- Who knows the address of a webhook may post there: no copy of a row has more than its host.
create function hide_address(copy jsonb) returns jsonb language sql immutable as $$
    select
        case
            when copy ->> 'channel' in ('webhook', 'chat') and copy ->> 'target' <> ''
                then copy || jsonb_build_object(
                    'target', regexp_replace(copy ->> 'target', '^(\w+://)?([^/?#]*@)?([^/?#]*).*$', '\1\3/***')
                )
            else copy
        end
$$;
comment on function hide_address is 'Leave of the address of a webhook in the copy of a row its host alone';

create or replace function record_write() returns trigger language plpgsql as $$
declare
    was jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) - array['token_sha256', 'secret'] end;
    becomes jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) - array['token_sha256', 'secret'] end;
begin
    if was is distinct from becomes then
        insert into audit (actor, action, object, object_id, row_before, row_after)
        values (
            current_setting('livetrap.actor'), lower(tg_op), tg_table_name,
            coalesce(coalesce(becomes, was) ->> 'id', coalesce(becomes, was) ->> 'name'),
            hide_address(was), hide_address(becomes)
        );
    end if;
    return null;
end
$$;

update audit
set row_before = hide_address(row_before), row_after = hide_address(row_after)
where object = 'subscription';

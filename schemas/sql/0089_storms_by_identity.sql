-- A storm is known by what its notice is about and not by its text (ADR 130); rows of the version
-- before, which may still run, have null for it.

alter table suppressed_event add column storm text;
alter table suppressed_event add column time_decided timestamptz;
comment on column suppressed_event.storm is
'What the notice of its storm is about: image (sha256), minute, or day of side lobes; null: unknown';
comment on column suppressed_event.time_decided is
'When it was decided whether it goes by itself; null: not yet [UTC]';
comment on column suppressed_event.time_released is 'When it was released; null: not [UTC]';

update suppressed_event
set
    storm = case
        when reason like '% shows side lobes %'
            then stream || '.' || left(event ->> 'time_start', 10) || '.side_lobes'
        when reason like 'image %' then image_id
        else split_part(reason, ' ', 1)
    end;
update suppressed_event
set time_decided = decided.time_decided
from (
    select
        released.stream,
        released.storm,
        min(released.time_released) as time_decided
    from suppressed_event as released
    where released.time_released is not null
    group by released.stream, released.storm
) as decided
where suppressed_event.stream = decided.stream and suppressed_event.storm = decided.storm;

create index on suppressed_event (stream) where time_decided is null;
create index on suppressed_event (stream, storm) where time_decided is not null;

-- How many new sources of an image wait (ADR 130).
create index on look_back (image_key) where verdict is null and not is_overdue and is_new_by_limit;

-- A new source is looked for in earlier images before it is announced.

alter table detection
drop constraint detection_extraction_type_check,
add constraint detection_extraction_type_check
check (extraction_type in ('blind', 'forced', 'monitor', 'lookback'));
comment on column detection.extraction_type is
'Kind of measurement: blind, forced, monitor or lookback (forced, in images from before the first detection)';

alter table source
drop constraint source_activity_check,
add constraint source_activity_check check (activity in (-1, 0, 1, 2));
comment on column source.activity is
'Episode that is going on: 1 brighter than before, -1 fainter, 0 none, 2 waits for a look back [-]';

-- The last images of a band: those that are looked at again.
create index on image (band_id, stokes, time_start);

create table look_back (
    source_id bigint primary key references source (id) on delete cascade,
    stream_id int not null references stream (id) on delete cascade,
    image_key bigint not null,
    image_keys bigint[] not null,
    is_new_by_limit boolean not null,
    event jsonb not null,
    time_limit timestamptz not null,
    is_overdue boolean not null default false,
    verdict text check (verdict in ('new_source', 'known_below_threshold', 'not_looked_back')),
    n_look_back int,
    flux_previous_jy_beam float8,
    flux_previous_err_jy_beam float8,
    time_previous timestamptz
);
create index on look_back (time_limit) where verdict is null and not is_overdue;
comment on table look_back is
'Source that was first detected where earlier images had looked, and what they show at its place';
comment on column look_back.source_id is 'Source [-]';
comment on column look_back.stream_id is 'Stream [-]';
comment on column look_back.image_key is 'Image of the detection that an event would report [-]';
comment on column look_back.image_keys is 'Earlier images that are measured there [-]';
comment on column look_back.is_new_by_limit is
'Whether its flux exceeds what the deepest earlier image would have detected';
comment on column look_back.event is 'Event that the verdict may tell, as in source_event';
comment on column look_back.time_limit is 'Until when the event waits for the answers [UTC]';
comment on column look_back.is_overdue is 'Whether the answers did not come until then';
comment on column look_back.verdict is
'new_source, known_below_threshold, or not_looked_back: no image could be measured; null: it waits';
comment on column look_back.n_look_back is 'Earlier images that were measured [-]';
comment on column look_back.flux_previous_jy_beam is
'Weighted mean of the peak fluxes in them; null: none [Jy/beam]';
comment on column look_back.flux_previous_err_jy_beam is 'Its error, 1 sigma [Jy/beam]';
comment on column look_back.time_previous is
'Start of the exposure of the latest of them [UTC]';
comment on column forced_gap.reason is
'Reason: outside, blank, confused, image_gone, not_kept or the code of a rejection';

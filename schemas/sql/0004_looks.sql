-- Null detections are counted by looks at the position, not by timesteps of the stream.

alter table stream add column looked_until timestamptz;
comment on column stream.looked_until is
'Start of the last closed timestep with an accepted image [UTC]';
update stream set looked_until = stream.closed_until;

alter table null_detection
add column zone smallint,
add column ra float8,
add column dec float8;
update null_detection
set
    zone = floor(source.dec / 0.5),
    ra = source.ra,
    dec = source.dec
from source
where null_detection.source_id = source.id;
alter table null_detection
alter column zone set not null,
alter column ra set not null,
alter column dec set not null;
create index on null_detection (stream_id, zone, ra);
comment on table null_detection is
'Known source that the last looks at its position did not detect, or that waits for the next look';
comment on column null_detection.n_timesteps is
'Timesteps in a row that covered its position and did not detect it [-]';
comment on column null_detection.zone is 'floor(dec / 0.5) [-]';
comment on column null_detection.ra is 'Right ascension when it was first counted, ICRS [deg]';
comment on column null_detection.dec is 'Declination when it was first counted, ICRS [deg]';

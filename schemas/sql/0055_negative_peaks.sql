-- Peaks of the negated image: the measured rate of false detections of a stream and band.

alter table image add column n_negative_peaks int;
alter table image add column negative_snr real[];
alter table image add column searched_deg2 float8;
comment on column image.n_negative_peaks is
'Peaks of the negated image beyond the detection threshold; null: not searched [-]';
comment on column image.negative_snr is
'S/N of the strongest of them, at most 32, descending [-]';
comment on column image.searched_deg2 is
'Area in which sources and they were searched [deg^2]';

create index on image (stream_id, band_id, time_start) where n_negative_peaks is not null;
create index on image (stream_id, band_id, time_start) where n_negative_peaks > 0;

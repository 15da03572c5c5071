-- Monitored targets that move on the sky.

alter table monitor
add column pm_ra_cosdec_mas_yr float8 not null default 0,
add column pm_dec_mas_yr float8 not null default 0,
add column epoch_yr float8 not null default 2000
check (epoch_yr between 1800 and 2200);
alter table monitor
add check (abs(pm_ra_cosdec_mas_yr) <= 100000 and abs(pm_dec_mas_yr) <= 100000);
comment on column monitor.ra is 'Right ascension at the epoch, ICRS [deg]';
comment on column monitor.dec is 'Declination at the epoch, ICRS [deg]';
comment on column monitor.pm_ra_cosdec_mas_yr is 'Proper motion in right ascension, with cos(dec) [mas/yr]';
comment on column monitor.pm_dec_mas_yr is 'Proper motion in declination [mas/yr]';
comment on column monitor.epoch_yr is 'Epoch of the position, Julian year [yr]';

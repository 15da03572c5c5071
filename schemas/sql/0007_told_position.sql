-- Where subscribers were told that a source is: a position that turns out wrong is told again.

alter table transient add column last_notified_ra float8;
alter table transient add column last_notified_dec float8;
alter table transient add column last_notified_ra_err_deg float8;
alter table transient add column last_notified_dec_err_deg float8;
comment on column transient.last_notified_ra is 'Of the last event; null: of the first [deg]';
comment on column transient.last_notified_dec is 'Of the last event; null: of the first [deg]';
comment on column transient.last_notified_ra_err_deg is '1 sigma on the sky; null: of the first [deg]';
comment on column transient.last_notified_dec_err_deg is '1 sigma on the sky; null: of the first [deg]';

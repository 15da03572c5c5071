-- Whether a new source was compared with the other bands of its time.

alter table transient add column is_judged boolean not null default false;
comment on column transient.is_judged is
'Whether all bands that a dispersed burst could reach were compared with it, and none contradicts it';
update transient set is_judged = true;

-- Whether a source in doubt may leave depends on whether it is in an episode, which answers decide.

alter table waiting_timestep add column doubtful_active_ids bigint[] not null default '{}';
comment on column waiting_timestep.doubtful_ids is
'Those of them that leave the catalogue, if they are in no episode and no measurement confirms them [-]';
comment on column waiting_timestep.doubtful_active_ids is
'Those of them that leave the catalogue, if they are in an episode and no measurement confirms them [-]';

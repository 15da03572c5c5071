-- Floating-point numbers hardly compress; trying costs more CPU than all else that is done with a row
-- which lives until the answers come.

alter table waiting_timestep alter column before_sources set storage external;
alter table waiting_timestep alter column before_statistics set storage external;
alter table waiting_timestep alter column source_ids set storage external;
alter table waiting_timestep alter column before_ids set storage external;
alter table waiting_request alter column source_ids set storage external;

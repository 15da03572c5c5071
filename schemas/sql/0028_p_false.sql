-- How likely a detection is an artefact of a bright source.

alter table detection add column p_false float8;
comment on column detection.p_false is
'Probability of being an artefact of a bright source; null where not blind, or from before it was stored [-]';

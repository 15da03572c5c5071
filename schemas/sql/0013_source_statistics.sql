-- A copy of the statistics of the running catalogue that is indexed and some seconds old.
--
-- Every image updates thousands of rows of source; an index on eta would end that these updates are
-- HOT. The API copies what changed in batches (ADR 0036), one row a source, and lists by the copy.

create table source_statistics (
    source_id bigint primary key references source (id) on delete cascade,
    stream_id int not null,
    n_datapoints int not null,
    n_forced int not null,
    eta float8 not null,
    v float8 not null,
    eta_peak float8 not null,
    v_peak float8 not null,
    eta_blind float8 not null,
    v_blind float8 not null,
    eta_peak_blind float8 not null,
    v_peak_blind float8 not null,
    flux_int_mean_jy float8 not null,
    flux_int_max_jy float8 not null,
    flux_int_last_jy float8 not null,
    flux_peak_mean_jy_beam float8 not null,
    flux_peak_last_jy_beam float8 not null,
    snr_max float8 not null,
    first_time_start_s float8 not null,
    last_time_start_s float8 not null,
    is_new boolean not null,
    is_variable boolean not null
) with (fillfactor = 80, autovacuum_analyze_scale_factor = 0.2);
create index on source_statistics (eta, source_id);
create index on source_statistics (v, source_id);
create index on source_statistics ((n_datapoints::float8), source_id);
create index on source_statistics (flux_int_max_jy, source_id);
create index on source_statistics (snr_max, source_id);
create index on source_statistics (last_time_start_s, source_id);
comment on table source_statistics is
'Statistics of the sources of the running catalogue, indexed, as of time_refreshed of statistics_refresh';
comment on column source_statistics.source_id is 'Source [-]';
comment on column source_statistics.stream_id is 'Stream [-]';
comment on column source_statistics.n_datapoints is
'Measurements, blind and forced [-]';
comment on column source_statistics.n_forced is
'Forced measurements among n_datapoints [-]';
comment on column source_statistics.eta is
'Reduced chi-square of the integrated flux, forced points included; largest of the bands [-]';
comment on column source_statistics.v is
'Coefficient of variation in the band of that eta [-]';
comment on column source_statistics.eta_peak is
'The same of the peak flux [-]';
comment on column source_statistics.v_peak is
'The same of the peak flux [-]';
comment on column source_statistics.eta_blind is
'eta of the blind points alone [-]';
comment on column source_statistics.v_blind is
'v of the blind points alone [-]';
comment on column source_statistics.eta_peak_blind is
'eta_peak of the blind points alone [-]';
comment on column source_statistics.v_peak_blind is
'v_peak of the blind points alone [-]';
comment on column source_statistics.flux_int_mean_jy is
'Mean integrated flux, largest of the bands; -infinity without one [Jy]';
comment on column source_statistics.flux_int_max_jy is
'Largest integrated flux; -infinity without one [Jy]';
comment on column source_statistics.flux_int_last_jy is
'Integrated flux of the newest own point; -infinity without one [Jy]';
comment on column source_statistics.flux_peak_mean_jy_beam is
'Mean peak flux, largest of the bands; -infinity without one [Jy/beam]';
comment on column source_statistics.flux_peak_last_jy_beam is
'Peak flux of the newest own point; -infinity without one [Jy/beam]';
comment on column source_statistics.snr_max is
'Largest peak over local rms of the own blind points; -infinity without one [-]';
comment on column source_statistics.first_time_start_s is
'Start of the exposure of the first detection, since 1970 UTC [s]';
comment on column source_statistics.last_time_start_s is
'Start of the exposure of the last detection, since 1970 UTC [s]';
comment on column source_statistics.is_new is
'Whether an event has announced it as new';
comment on column source_statistics.is_variable is
'Whether an event has announced it as variable';

create table statistics_refresh (
    is_only boolean primary key default true check (is_only),
    time_refreshed timestamptz not null
);
comment on table statistics_refresh is 'Up to when source_statistics is complete: one row, or none';
comment on column statistics_refresh.is_only is 'Key of the one row';
comment on column statistics_refresh.time_refreshed is
'When the newest copy that left nothing out began [UTC]';

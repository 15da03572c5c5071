-- Statistics of light curves with forced points, kept apart from the blind ones and merged when
-- read; episodes of activity; kinds of transients.

alter table source add column n_forced int not null default 0;
comment on column source.n_forced is 'Forced measurements among n_datapoints [-]';
comment on column source.n_datapoints is
'Measurements, blind and forced, those of its parent before the split included [-]';
comment on column source.eta is
'Reduced chi-square of the integrated flux for a constant, with forced points; largest of its bands [-]';
comment on column source.v is
'Coefficient of variation of the integrated flux in the band of that eta, forced points included [-]';

alter table source_band
add column n_forced int not null default 0,
add column flux_forced_mean_jy_beam float8 not null default 0,
add column flux_forced_m2 float8 not null default 0,
add column flux_forced_weight float8 not null default 0,
add column flux_forced_wmean_jy_beam float8 not null default 0,
add column flux_forced_wm2 float8 not null default 0;
comment on column source_band.n_datapoints is 'Measurements, blind and forced [-]';
comment on column source_band.n_forced is 'Forced measurements among n_datapoints [-]';
comment on column source_band.flux_int_mean_jy is 'Mean integrated flux of the blind points [Jy]';
comment on column source_band.flux_int_m2 is
'Sum of squared deviations of the blind points from their mean integrated flux (Welford) [Jy^2]';
comment on column source_band.flux_int_weight is
'Sum of 1/flux_int_err_jy^2 of the blind points [1/Jy^2]';
comment on column source_band.flux_int_wmean_jy is
'Mean integrated flux of the blind points, weighted by 1/flux_int_err_jy^2 [Jy]';
comment on column source_band.flux_int_wm2 is
'Weighted sum of squared deviations of the blind points from their weighted mean (West) [-]';
comment on column source_band.flux_peak_mean_jy_beam is 'Mean peak flux of the blind points [Jy/beam]';
comment on column source_band.flux_peak_m2 is
'Sum of squared deviations of the blind points from their mean peak flux (Welford) [(Jy/beam)^2]';
comment on column source_band.flux_peak_weight is
'Sum of 1/flux_peak_err_jy_beam^2 of the blind points [(beam/Jy)^2]';
comment on column source_band.flux_peak_wmean_jy_beam is
'Mean peak flux of the blind points, weighted by 1/flux_peak_err_jy_beam^2 [Jy/beam]';
comment on column source_band.flux_peak_wm2 is
'Weighted sum of squared deviations of the blind points from their weighted mean (West) [-]';
comment on column source_band.flux_forced_mean_jy_beam is 'Mean flux of the forced points [Jy/beam]';
comment on column source_band.flux_forced_m2 is
'Sum of squared deviations of the forced points from their mean (Welford) [(Jy/beam)^2]';
comment on column source_band.flux_forced_weight is
'Sum of 1/flux_peak_err_jy_beam^2 of the forced points [(beam/Jy)^2]';
comment on column source_band.flux_forced_wmean_jy_beam is
'Mean flux of the forced points, weighted by 1/flux_peak_err_jy_beam^2 [Jy/beam]';
comment on column source_band.flux_forced_wm2 is
'Weighted sum of squared deviations of the forced points from their weighted mean (West) [-]';

-- Tests for changes: bounded state, written with the statistics. One value of 112 bytes costs a
-- timestep a tenth of what 14 columns would.
alter table source_band
add column change_state bytea not null default decode(repeat('00', 112), 'hex')
check (length(change_state) = 112);
comment on column source_band.change_state is
'State of the change tests: 14 float8, little-endian, named in services/associate/models/change_state.py';

alter table source
add column activity smallint not null default 0 check (activity in (-1, 0, 1)),
add column n_quiet int not null default 0,
add column n_quiet_needed int not null default 0,
add column n_episodes int not null default 0;
comment on column source.activity is
'Episode that is going on: 1 brighter than before, -1 fainter, 0 none [-]';
comment on column source.n_quiet is
'Timesteps in a row that looked at the position and saw no activity [-]';
comment on column source.n_quiet_needed is 'The same at which the episode ends [-]';
comment on column source.n_episodes is 'Episodes that an event has announced [-]';
update source
set
    n_episodes = source.is_new::int + source.is_variable::int,
    activity = (source.is_new or source.is_variable)::int,
    n_quiet_needed = 8;

alter table transient
alter column eta drop not null,
alter column v drop not null,
add column episode int not null default 1,
add column trigger text not null default '',
add column trigger_sigma float8,
add column flux_expected_jy_beam float8,
add column flux_expected_err_jy_beam float8,
add column flux_peak_max_jy_beam float8,
add column time_peak timestamptz,
add column time_end timestamptz;
update transient set episode = 2
where
    transient.kind = 'variable'
    and exists (
        select from transient as earlier
        where earlier.source_id = transient.source_id and earlier.kind = 'new_source'
    );
alter table transient
drop constraint transient_source_id_kind_key,
drop constraint transient_kind_check,
add constraint transient_kind_check check (
    kind in ('new_source', 'variable', 'faded', 'vanished', 'returned', 'moving')
),
add constraint transient_source_id_episode_key unique (source_id, episode);
comment on table transient is 'Episode of activity of a source that an event has announced';
comment on column transient.kind is
'Kind: new_source, variable, faded, vanished, returned or moving';
comment on column transient.episode is 'Number of the episode of its source, from 1 [-]';
comment on column transient.trigger is
'Test that raised the event: new, single, window:N (looks), history or missed';
comment on column transient.trigger_sigma is 'Significance of that test in standard deviations [-]';
comment on column transient.flux_expected_jy_beam is
'Peak flux that the quiet looks before gave reason to expect [Jy/beam]';
comment on column transient.flux_expected_err_jy_beam is 'Its error, 1 sigma [Jy/beam]';
comment on column transient.flux_peak_max_jy_beam is
'Largest peak flux of the episode; null: that of the first event [Jy/beam]';
comment on column transient.time_peak is
'Start of the exposure of that flux; null: of the first event [UTC]';
comment on column transient.time_end is
'Start of the timestep that ended the episode; null while it goes on [UTC]';

alter table source_event
drop constraint source_event_kind_check,
add constraint source_event_kind_check check (
    kind in (
        'new_source', 'variable', 'faded', 'vanished', 'returned', 'moving', 'update', 'retraction'
    )
);
comment on column source_event.kind is
'Kind: new_source, variable, faded, vanished, returned, moving, update or retraction';

-- Chan, Golub & LeVeque (1983), The American Statistician 37, 242: moments of two sets of points are
-- merged without a point. The integrated flux of a forced point is its peak flux.
create view source_band_variability as
with flux as (
    select
        source_band.source_id,
        source_band.band_id,
        source_band.stokes,
        source_band.n_datapoints - source_band.n_forced as n_blind,
        source_band.n_forced,
        source_band.n_datapoints,
        source_band.flux_int_max_jy,
        each.kind,
        each.mean,
        each.m2,
        each.weight,
        each.wmean,
        each.wm2,
        source_band.flux_forced_mean_jy_beam - each.mean as mean_distance,
        source_band.flux_forced_wmean_jy_beam - each.wmean as wmean_distance,
        source_band.flux_forced_m2,
        source_band.flux_forced_wm2,
        source_band.n_forced::float8 / nullif(source_band.n_datapoints, 0) as forced_share,
        source_band.flux_forced_weight / nullif(each.weight + source_band.flux_forced_weight, 0)
            as forced_weight_share,
        each.weight + source_band.flux_forced_weight as total_weight
    from source_band
    cross join lateral (
        values
        (
            'int', source_band.flux_int_mean_jy, source_band.flux_int_m2, source_band.flux_int_weight,
            source_band.flux_int_wmean_jy, source_band.flux_int_wm2
        ),
        (
            'peak', source_band.flux_peak_mean_jy_beam, source_band.flux_peak_m2,
            source_band.flux_peak_weight, source_band.flux_peak_wmean_jy_beam, source_band.flux_peak_wm2
        )
    ) as each (kind, mean, m2, weight, wmean, wm2)
),

merged as (
    select
        flux.*,
        flux.mean + coalesce(flux.mean_distance * flux.forced_share, 0) as total_mean,
        flux.wmean + coalesce(flux.wmean_distance * flux.forced_weight_share, 0) as total_wmean,
        flux.m2 + flux.flux_forced_m2
        + coalesce(flux.mean_distance ^ 2 * flux.n_blind * flux.forced_share, 0) as total_m2,
        flux.wm2 + flux.flux_forced_wm2
        + coalesce(flux.wmean_distance ^ 2 * flux.weight * flux.forced_weight_share, 0) as total_wm2
    from flux
)

select
    merged.source_id,
    merged.band_id,
    merged.stokes,
    merged.kind,
    merged.n_datapoints,
    merged.n_forced,
    merged.flux_int_max_jy,
    merged.total_mean as flux_mean,
    merged.total_wmean as flux_wmean,
    1 / sqrt(nullif(merged.total_weight, 0)) as flux_wmean_err,
    case when merged.n_datapoints > 1 then merged.total_wm2 / (merged.n_datapoints - 1) else 0 end as eta,
    case
        when merged.n_datapoints > 1 and merged.total_mean <> 0
            then sqrt(merged.total_m2 / (merged.n_datapoints - 1)) / merged.total_mean
        else 0
    end as v,
    case when merged.n_blind > 1 then merged.wm2 / (merged.n_blind - 1) else 0 end as eta_blind,
    case
        when merged.n_blind > 1 and merged.mean <> 0
            then sqrt(merged.m2 / (merged.n_blind - 1)) / merged.mean
        else 0
    end as v_blind
from merged;
comment on view source_band_variability is
'Mean flux and variability of a source in one band and Stokes parameter, of integrated and peak flux';
comment on column source_band_variability.source_id is 'Source [-]';
comment on column source_band_variability.band_id is 'Band [-]';
comment on column source_band_variability.stokes is 'Stokes parameter';
comment on column source_band_variability.kind is
'Flux: int [Jy], or peak [Jy/beam]; a forced point has one number for both';
comment on column source_band_variability.n_datapoints is 'Measurements, blind and forced [-]';
comment on column source_band_variability.n_forced is 'Forced measurements among n_datapoints [-]';
comment on column source_band_variability.flux_int_max_jy is 'Largest integrated flux [Jy]';
comment on column source_band_variability.flux_mean is 'Mean flux [Jy or Jy/beam]';
comment on column source_band_variability.flux_wmean is
'Mean flux, weighted by 1/err^2 [Jy or Jy/beam]';
comment on column source_band_variability.flux_wmean_err is
'Error of the weighted mean, 1 sigma [Jy or Jy/beam]';
comment on column source_band_variability.eta is
'Reduced chi-square against a constant flux; 0 for one point [-]';
comment on column source_band_variability.v is 'Coefficient of variation; 0 for one point [-]';
comment on column source_band_variability.eta_blind is 'The same of the blind points alone [-]';
comment on column source_band_variability.v_blind is 'The same of the blind points alone [-]';

-- eta is the largest of the channels, v that of the same channel (Swinbank et al. 2015, A&C 11, 25).
create function source_variability(
    wanted_source_id bigint,
    out eta_peak float8,
    out v_peak float8,
    out eta_blind float8,
    out v_blind float8,
    out eta_peak_blind float8,
    out v_peak_blind float8
)
language sql stable
as $$
select
    max(each.eta) filter (where each.kind = 'peak'),
    (array_agg(each.v order by each.eta desc, each.band_id, each.stokes) filter (where each.kind = 'peak'))[1],
    max(each.eta_blind) filter (where each.kind = 'int'),
    (
        array_agg(each.v_blind order by each.eta_blind desc, each.band_id, each.stokes)
        filter (where each.kind = 'int')
    )[1],
    max(each.eta_blind) filter (where each.kind = 'peak'),
    (
        array_agg(each.v_blind order by each.eta_blind desc, each.band_id, each.stokes)
        filter (where each.kind = 'peak')
    )[1]
from source_band_variability as each
where each.source_id = wanted_source_id
$$;
comment on function source_variability is
'Variability of a source beside its columns eta and v: of peak fluxes, and of blind points alone';

-- What a list of transients shows and which ones pass its filters, in one place for every order.

create view listed_transient as
select
    transient.id,
    transient.source_id,
    transient.trig_id,
    transient.kind,
    transient.state,
    transient.retraction_reason as retracted_because,
    transient.certainty,
    transient.ra,
    transient.dec,
    transient.ra_err_deg,
    transient.dec_err_deg,
    transient.time_start,
    transient.time_detected,
    transient.flux_peak_jy_beam,
    transient.snr,
    transient.episode as n_episodes,
    transient.trigger,
    transient.trigger_sigma,
    transient.flux_expected_jy_beam,
    transient.flux_expected_err_jy_beam,
    transient.rate_arcsec_s,
    transient.direction_deg,
    coalesce(transient.time_peak, transient.time_start) as time_peak,
    coalesce(transient.flux_peak_max_jy_beam, transient.flux_peak_jy_beam) as flux_peak_max_jy_beam,
    transient.time_end,
    coalesce(source.eta, gone.eta) as eta,
    coalesce(source.v, gone.v) as v,
    coalesce(source.n_datapoints, gone.n_datapoints + gone.n_forced) as n_datapoints,
    coalesce(source.n_forced, gone.n_forced) as n_forced,
    stream.name as stream
from transient
left join source on transient.source_id = source.id
left join archived_source as gone on transient.source_id = gone.id
inner join stream on transient.stream_id = stream.id;
comment on view listed_transient is
'Transient as the API lists it: with the statistics of its source as of now, also of an archived one';

-- Null leaves a filter out. The planner sees through it: an order by time is read by index.
create function listed_transients(
    since timestamptz,
    until timestamptz,
    wanted_id bigint,
    wanted_ra float8,
    wanted_dec float8,
    wanted_radius_deg float8,
    wanted_stream text,
    wanted_kind text,
    wanted_state text,
    min_snr float8,
    max_snr float8,
    min_flux_peak_jy_beam float8,
    max_flux_peak_jy_beam float8,
    min_eta float8,
    max_eta float8,
    min_v float8,
    max_v float8,
    min_n_datapoints int,
    max_n_datapoints int
) returns setof listed_transient
language sql stable
as $$
select listed.*
from listed_transient as listed
where
    (since is null or listed.time_detected >= since)
    and (until is null or listed.time_detected < until)
    and (wanted_id is null or listed.id = wanted_id)
    and (
        wanted_radius_deg is null
        or sind(listed.dec) * sind(wanted_dec)
        + cosd(listed.dec) * cosd(wanted_dec) * cosd(listed.ra - wanted_ra) >= cosd(wanted_radius_deg) - 1e-15
    )
    and (wanted_stream is null or listed.stream = wanted_stream)
    and (wanted_kind is null or listed.kind = wanted_kind)
    and (wanted_state is null or listed.state = wanted_state)
    and (min_snr is null or listed.snr >= min_snr)
    and (max_snr is null or listed.snr <= max_snr)
    and (min_flux_peak_jy_beam is null or listed.flux_peak_jy_beam >= min_flux_peak_jy_beam)
    and (max_flux_peak_jy_beam is null or listed.flux_peak_jy_beam <= max_flux_peak_jy_beam)
    and (min_eta is null or listed.eta >= min_eta)
    and (max_eta is null or listed.eta <= max_eta)
    and (min_v is null or listed.v >= min_v)
    and (max_v is null or listed.v <= max_v)
    and (min_n_datapoints is null or listed.n_datapoints >= min_n_datapoints)
    and (max_n_datapoints is null or listed.n_datapoints <= max_n_datapoints)
$$;
comment on function listed_transients is 'Transients that pass the filters of a list';

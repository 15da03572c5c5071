-- Copy the statistics of sources that changed, at most so many, and return how many they were.
--
-- $1  limit  int  [-]
-- A source that changed has another number of points; snr_max grows by the points since the last copy;
-- the nearest source is looked for at every 16th point.
-- Index: detection (source_id, time_start); source (stream_id, zone, search_ra,
-- search_dec); the primary keys. The comparison scans both tables.
with changed as (
    select
        source.*,
        extract(epoch from source.first_time_start)::float8 as first_time_start_s,
        extract(epoch from source.last_time_start)::float8 as last_time_start_s,
        known.snr_max as known_snr_max,
        known.n_datapoints as known_n_datapoints,
        known.nearest_source_arcsec as known_nearest,
        case
            when known.source_id is null then '-infinity'::timestamptz
            else to_timestamp(known.last_time_start_s)
        end as known_until
    from source
    left join source_statistics as known on source.id = known.source_id
    where
        source.zone <> 32767
        and (
            known.source_id is null
            or (source.n_datapoints, source.n_forced, source.eta, source.v, source.is_new, source.is_variable)
            is distinct from
            (known.n_datapoints, known.n_forced, known.eta, known.v, known.is_new, known.is_variable)
        )
    order by source.id
    limit $1::int
),

measured as (
    select
        changed.*,
        beside.*,
        bands.flux_int_mean_jy,
        bands.flux_int_max_jy,
        bands.flux_peak_mean_jy_beam,
        newest.flux_int_jy as flux_int_last_jy,
        newest.flux_peak_jy_beam as flux_peak_last_jy_beam,
        brightest.snr_max
    from changed
    cross join lateral source_variability(changed.id) as beside
    cross join
        lateral (
            select
                max(each.flux_mean) filter (where each.kind = 'int') as flux_int_mean_jy,
                max(each.flux_mean) filter (where each.kind = 'peak') as flux_peak_mean_jy_beam,
                max(each.flux_int_max_jy) as flux_int_max_jy
            from source_band_variability as each
            where
                each.source_id = changed.id
                and each.n_datapoints > 0
        ) as bands
    left join lateral (
        select
            detection.flux_int_jy,
            detection.flux_peak_jy_beam
        from detection
        where
            detection.stream_id = changed.stream_id
            and detection.source_id = changed.id
        order by detection.time_start desc, detection.image_key desc
        limit 1
    ) as newest on true
    cross join lateral (
        select max(detection.snr) as snr_max
        from detection
        where
            detection.stream_id = changed.stream_id
            and detection.source_id = changed.id
            and detection.time_start >= changed.known_until
            and detection.extraction_type = 'blind'
    ) as brightest
),

stored as (
    insert into source_statistics (
        source_id,
        stream_id,
        n_datapoints,
        n_forced,
        eta,
        v,
        eta_peak,
        v_peak,
        eta_blind,
        v_blind,
        eta_peak_blind,
        v_peak_blind,
        flux_int_mean_jy,
        flux_int_max_jy,
        flux_int_last_jy,
        flux_peak_mean_jy_beam,
        flux_peak_last_jy_beam,
        snr_max,
        first_time_start_s,
        last_time_start_s,
        is_new,
        is_variable,
        spectral_index,
        nearest_source_arcsec
    )
    select
        measured.id as source_id,
        measured.stream_id,
        measured.n_datapoints,
        measured.n_forced,
        measured.eta,
        measured.v,
        coalesce(measured.eta_peak, 0) as eta_peak,
        coalesce(measured.v_peak, 0) as v_peak,
        coalesce(measured.eta_blind, 0) as eta_blind,
        coalesce(measured.v_blind, 0) as v_blind,
        coalesce(measured.eta_peak_blind, 0) as eta_peak_blind,
        coalesce(measured.v_peak_blind, 0) as v_peak_blind,
        coalesce(measured.flux_int_mean_jy, '-infinity') as flux_int_mean_jy,
        coalesce(measured.flux_int_max_jy, '-infinity') as flux_int_max_jy,
        coalesce(measured.flux_int_last_jy, '-infinity') as flux_int_last_jy,
        coalesce(measured.flux_peak_mean_jy_beam, '-infinity') as flux_peak_mean_jy_beam,
        coalesce(measured.flux_peak_last_jy_beam, '-infinity') as flux_peak_last_jy_beam,
        coalesce(greatest(measured.known_snr_max, measured.snr_max), '-infinity') as snr_max,
        measured.first_time_start_s,
        measured.last_time_start_s,
        measured.is_new,
        measured.is_variable,
        source_spectral_index(measured.id) as spectral_index,
        case
            when measured.n_datapoints / 16 = measured.known_n_datapoints / 16 then measured.known_nearest
            else nearest_source_arcsec(subject)
        end as nearest_source_arcsec
    from measured
    inner join source as subject on measured.id = subject.id
    on conflict (source_id) do update
        set
            n_datapoints = excluded.n_datapoints,
            n_forced = excluded.n_forced,
            eta = excluded.eta,
            v = excluded.v,
            eta_peak = excluded.eta_peak,
            v_peak = excluded.v_peak,
            eta_blind = excluded.eta_blind,
            v_blind = excluded.v_blind,
            eta_peak_blind = excluded.eta_peak_blind,
            v_peak_blind = excluded.v_peak_blind,
            flux_int_mean_jy = excluded.flux_int_mean_jy,
            flux_int_max_jy = excluded.flux_int_max_jy,
            flux_int_last_jy = excluded.flux_int_last_jy,
            flux_peak_mean_jy_beam = excluded.flux_peak_mean_jy_beam,
            flux_peak_last_jy_beam = excluded.flux_peak_last_jy_beam,
            snr_max = excluded.snr_max,
            first_time_start_s = excluded.first_time_start_s,
            last_time_start_s = excluded.last_time_start_s,
            is_new = excluded.is_new,
            is_variable = excluded.is_variable,
            spectral_index = excluded.spectral_index,
            nearest_source_arcsec = excluded.nearest_source_arcsec
    returning source_id
)

select count(*)::int as n_sources
from stored

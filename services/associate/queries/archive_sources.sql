-- Move sources that no measurement has confirmed to the archive, and return their ids.
--
-- A source that was seen once goes where its forced fluxes together are below a limit, and so does one
-- that was seen twice, was faint, and was measured eight times in a band; one that was seen more often
-- where all of its fluxes together are. One that was announced goes only if it was seen once, was faint,
-- and all of its fluxes together are below the latter limit, or if it was seen twice and was faint; its
-- episode ends, and what was measured of it later goes: whether anything was depends on when answers
-- came. None goes that is monitored, shares a detection, has children, or waits for a look back.
-- One with many measurements whose statistics are far above the limit stays unread: reading all of its
-- measurements at each look that misses it would cost more the older it is. Its statistics may miss
-- answers that are not judged yet, which move them less than the factor of two.
--
-- $1  stream_id        int
-- $2  quiet_id         bigint[]     sources to check if they are in no episode
-- $3  candidate_sigma  float8       of the weighted mean of the forced fluxes [-]
-- $4  archive_sigma    float8       of the weighted mean of all fluxes [-]
-- $5  time_archived    timestamptz
-- $6  time_end         timestamptz  start of the timestep that checks them: what is measured in it or later
--                                    does not count, and what is detected in it or later stays
-- $7  announced_snr    float8       peak from which on a source that was announced stays [-]
-- $8  active_id        bigint[]     sources to check if they are in one
-- Indexes: detection (source_id, time_start); source (parent_source_id); the unique one on transient
-- (source_id, episode); primary keys.
with limits as (
    select
        $3::float8 as candidate_sigma,
        $4::float8 as archive_sigma,
        $7::float8 as announced_snr
),

asked as (
    select
        $2::bigint[] as quiet_id,
        $8::bigint[] as active_id
),

checked as (
    select source.id
    from source
    cross join asked
    where
        source.stream_id = $1::int
        and source.id = any(asked.quiet_id || asked.active_id)
        and source.id = any(case when source.activity = 1 then asked.active_id else asked.quiet_id end)
        and not (
            source.n_datapoints - source.n_forced > 2
            and source.parent_source_id is null
            and exists (
                select
                from source_band
                cross join limits
                cross join
                    lateral (
                        select
                            source_band.flux_peak_weight + source_band.flux_forced_weight as weight,
                            source_band.flux_peak_weight * source_band.flux_peak_wmean_jy_beam
                            + source_band.flux_forced_weight * source_band.flux_forced_wmean_jy_beam
                                as weighted_flux
                    ) as total
                where
                    source_band.source_id = source.id
                    and source_band.n_datapoints >= 64
                    and total.weighted_flux >= 2 * limits.archive_sigma * sqrt(total.weight)
            )
        )
),

channel as (
    select
        detection.source_id,
        count(*) filter (where detection.extraction_type = 'blind') as n_datapoints,
        count(*) filter (where detection.extraction_type <> 'blind') as n_forced,
        sum(detection.flux_peak_jy_beam / detection.flux_peak_err_jy_beam ^ 2)
        filter (where detection.extraction_type <> 'blind')
        / sqrt(
            sum(1 / detection.flux_peak_err_jy_beam ^ 2)
            filter (where detection.extraction_type <> 'blind')
        ) as snr_forced,
        sum(detection.flux_peak_jy_beam / detection.flux_peak_err_jy_beam ^ 2)
        / sqrt(sum(1 / detection.flux_peak_err_jy_beam ^ 2)) as snr,
        max(detection.snr) filter (where detection.extraction_type = 'blind') as snr_blind
    from detection
    where
        detection.stream_id = $1
        and detection.source_id = any(array(select checked.id from checked))
        and detection.flux_peak_err_jy_beam > 0
        and detection.time_start < $6::timestamptz
    group by detection.source_id, detection.band_id, detection.stokes
),

measured as (
    select
        channel.source_id,
        sum(channel.n_datapoints)::int as n_datapoints,
        sum(channel.n_forced)::int as n_forced,
        max(channel.n_forced) as n_looks,
        max(channel.snr_forced) as snr_forced,
        max(channel.snr) as snr,
        max(channel.snr_blind) as snr_blind
    from channel
    group by channel.source_id
),

judged as (
    select
        measured.source_id,
        measured.n_datapoints,
        measured.n_forced,
        measured.snr_forced,
        measured.n_datapoints = 2
        and measured.n_looks >= 8
        and measured.snr_blind < limits.announced_snr
        and measured.snr_forced < limits.candidate_sigma as is_faint_pair,
        measured.n_datapoints <= 1
        and measured.snr_blind < limits.announced_snr
        and measured.snr < limits.archive_sigma as is_faint_peak,
        case
            when measured.n_datapoints <= 1 then measured.snr_forced < limits.candidate_sigma
            else measured.snr < limits.archive_sigma
        end as is_unconfirmed
    from measured
    cross join limits
    where measured.n_forced > 0
),

doubtful as (
    select
        source.id,
        source.stream_id,
        source.ra,
        source.dec,
        source.first_image_key,
        source.first_source_number,
        source.first_time_start,
        source.last_time_start,
        source.eta,
        source.v,
        source.is_new,
        source.is_variable,
        judged.n_datapoints,
        judged.n_forced,
        judged.snr_forced
    from judged
    inner join source on judged.source_id = source.id
    where
        (judged.is_unconfirmed or judged.is_faint_pair)
        and source.zone <> 32767
        and source.last_time_start < $6
        and not exists (
            select
            from transient
            where
                transient.source_id = source.id
                and judged.is_faint_peak is not true
                and judged.is_faint_pair is not true
        )
        and not exists (
            select
            from look_back
            where
                look_back.source_id = source.id
                and look_back.verdict is null
        )
        and not exists (
            select
            from shared_detection
            where shared_detection.source_id = source.id
        )
        and not exists (
            select
            from source as child
            where child.parent_source_id = source.id
        )
),

archived as (
    insert into archived_source (
        id, stream_id, ra, dec, n_datapoints, n_forced, snr_forced, first_image_key, first_source_number,
        first_time_start, last_time_start, eta, v, is_new, is_variable, time_archived
    )
    select
        doubtful.id,
        doubtful.stream_id,
        doubtful.ra,
        doubtful.dec,
        doubtful.n_datapoints,
        doubtful.n_forced,
        doubtful.snr_forced,
        doubtful.first_image_key,
        doubtful.first_source_number,
        doubtful.first_time_start,
        doubtful.last_time_start,
        doubtful.eta,
        doubtful.v,
        doubtful.is_new,
        doubtful.is_variable,
        $5::timestamptz
    from doubtful
    returning archived_source.id
),

ended as (
    update transient
    set time_end = $6::timestamptz
    from archived
    where
        transient.source_id = archived.id
        and transient.time_end is null
),

without_later_fluxes as (
    delete from detection
    using archived
    where
        detection.stream_id = $1
        and detection.source_id = archived.id
        and detection.time_start >= $6
),

without_bands as (
    delete from source_band
    using archived
    where source_band.source_id = archived.id
),

without_shared as (
    delete from shared_detection
    using archived
    where shared_detection.source_id = archived.id
),

without_counts as (
    delete from null_detection
    using archived
    where
        null_detection.stream_id = $1
        and null_detection.source_id = archived.id
)

delete from source
using archived
where source.id = archived.id
returning source.id

-- Return the newest 200 measurements of sources of a stream in the 30 days until a time, the newest
-- first; and how often each was looked at before a time in a channel, and when it was first seen.
--
-- $1  stream_id  int
-- $2  source_id  bigint[]
-- $3  until      timestamptz[]  start of the last exposure that counts
-- $4  earliest   timestamptz    the first of these
-- $5  latest     timestamptz    the last of these
-- $6  band_id    int[]
-- $7  stokes     text[]
-- $8  before     timestamptz[]  start of the exposure
-- $9  first      timestamptz    the first of these
-- Indexes: the primary keys of source and source_band, detection (source_id, time_start). A plan for
-- values has the partitions of one stream, and skips its other months: values of the rows that are
-- asked for would leave it all streams.
with asked as (
    select
        given.number::int - 1 as number,
        given.source_id,
        given.until,
        given.band_id,
        given.stokes,
        given.before
    from
        unnest($2::bigint[], $3::timestamptz[], $6::int[], $7::text[], $8::timestamptz[])
        with ordinality as given (source_id, until, band_id, stokes, before, number)
),

-- Materialized: counted once for a source, whatever the number of its measurements.
totals as materialized (
    select
        asked.number,
        source.first_time_start,
        greatest(
            source_band.n_datapoints - coalesce(later.n_blind + later.n_forced, 0), 0
        )::int as n_looks,
        greatest(
            source_band.n_datapoints - source_band.n_forced - coalesce(later.n_blind, 0), 0
        )::int as n_blind
    from asked
    inner join source on asked.source_id = source.id and source.stream_id = $1::int
    inner join source_band
        on
            source.id = source_band.source_id
            and asked.band_id = source_band.band_id
            and asked.stokes = source_band.stokes
    cross join
        lateral (
            select
                count(*) filter (where detection.extraction_type = 'blind') as n_blind,
                count(*) filter (where detection.extraction_type <> 'blind') as n_forced
            from detection
            where
                detection.stream_id = $1::int
                and detection.time_start >= $9::timestamptz
                and detection.source_id = asked.source_id
                and detection.band_id = asked.band_id
                and detection.stokes = asked.stokes
                and detection.time_start >= asked.before
        ) as later
)

select
    asked.number,
    totals.first_time_start,
    totals.n_looks,
    totals.n_blind,
    point.*
from asked
left join totals on asked.number = totals.number
left join
    lateral (
        select
            image.image_key,
            image.image_id,
            detection.band_id,
            detection.time_start,
            image.exposure_s,
            image.freq_eff_hz,
            image.freq_bw_hz,
            detection.stokes,
            detection.extraction_type,
            detection.flux_peak_jy_beam,
            detection.flux_peak_err_jy_beam,
            detection.flux_int_jy,
            detection.flux_int_err_jy,
            detection.snr,
            detection.rms_local_jy_beam,
            image.detection_threshold_sigma as threshold_sigma
        from detection
        inner join image on detection.image_key = image.image_key
        where
            detection.stream_id = $1::int
            and detection.time_start > $4::timestamptz - interval '30 days'
            and detection.time_start <= $5::timestamptz
            and detection.source_id = asked.source_id
            and detection.time_start > asked.until - interval '30 days'
            and detection.time_start <= asked.until
        order by detection.time_start desc, image.freq_eff_hz asc
        limit 200
    ) as point
    on true
order by asked.number asc, point.time_start desc, point.freq_eff_hz asc

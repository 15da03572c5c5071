-- Streams, images, the running catalogue, measurements, transients, alerts and their delivery.
--
-- Every table, column and function has a comment. Those of numbers and times end in a unit, [-] for
-- counts and keys; those of texts, truth values, bytes and JSON have none.
--
-- An image has two identities: image_id, the sha256 of its bytes, which the outside knows, and
-- image_key, a number, which the rows of this database refer to.

create table stream (
    id int generated always as identity primary key,
    name text not null unique,
    closed_until timestamptz,
    systematic_position_error_deg float8 not null default 0,
    is_clock_reset_requested boolean not null default false
);
comment on table stream is 'Sequence of images of one telescope or field';
comment on column stream.id is 'Key of the row, in order of insertion [-]';
comment on column stream.name is 'Name that the images carry';
comment on column stream.is_clock_reset_requested is
'Whether an operator has asked the associator to clear closed_until';
comment on column stream.closed_until is
'Start of the last closed timestep; images up to it are late [UTC]';
comment on column stream.systematic_position_error_deg is
'Systematic error of a position, per axis, with which the newest timestep was associated [deg]';

create table band (
    id int generated always as identity primary key,
    stream_id int not null references stream (id),
    freq_eff_hz float8 not null,
    freq_bw_hz float8 not null,
    unique (stream_id, freq_eff_hz, freq_bw_hz)
);
comment on table band is 'Frequency band of a stream, identified by centre and width';
comment on column band.id is 'Key of the row, in order of insertion [-]';
comment on column band.stream_id is 'Stream the band belongs to [-]';
comment on column band.freq_eff_hz is 'Centre of the band [Hz]';
comment on column band.freq_bw_hz is 'Width of the band [Hz]';

create table expected_channel (
    band_id int not null references band (id),
    stokes text not null,
    last_time_start timestamptz not null,
    missed_timesteps int not null,
    primary key (band_id, stokes)
) with (fillfactor = 50);
comment on table expected_channel is
'Band and Stokes parameter whose image the next timestep of the stream waits for';
comment on column expected_channel.band_id is 'Band [-]';
comment on column expected_channel.stokes is 'Stokes parameter';
comment on column expected_channel.last_time_start is 'Start of the newest image [UTC]';
comment on column expected_channel.missed_timesteps is
'Timesteps closed since the newest image; from 3 on no longer expected [-]';

create table timestep (
    id bigint generated always as identity primary key,
    stream_id int not null references stream (id),
    time_start timestamptz not null,
    is_late boolean not null,
    n_images int not null,
    time_associated timestamptz not null
);
create index on timestep (stream_id, time_start);
comment on table timestep is 'Images of one stream that were associated together';
comment on column timestep.id is 'Key of the row, in order of insertion [-]';
comment on column timestep.stream_id is 'Stream [-]';
comment on column timestep.time_start is 'Start of its first exposure [UTC]';
comment on column timestep.is_late is 'Whether it was associated alone, behind the watermark';
comment on column timestep.n_images is 'Images it added to the catalogue [-]';
comment on column timestep.time_associated is 'When it was associated [UTC]';

create table image (
    image_key bigint generated always as identity primary key,
    image_id text not null,
    stream_id int not null references stream (id),
    timestep_id bigint,
    band_id int references band (id),
    verdict text not null check (verdict in ('accepted', 'rejected')),
    reasons text[] not null,
    reason_text text,
    warnings text[] not null default '{}',
    time_start timestamptz,
    exposure_s float8,
    freq_eff_hz float8,
    freq_bw_hz float8,
    stokes text,
    beam_major_deg float8,
    beam_minor_deg float8,
    beam_pa_deg float8,
    field_ra float8,
    field_dec float8,
    field_radius_deg float8,
    width_px int,
    height_px int,
    wcs_header text,
    telescope text,
    margin_px int,
    rms_jy_beam float8,
    detection_threshold_sigma float8,
    rms_grid_cell_px int,
    rms_grid_columns int,
    rms_grid real[],
    n_sources int not null,
    is_late boolean not null default false,
    kafka_cluster_id text not null,
    kafka_topic text not null,
    kafka_partition int not null,
    kafka_offset bigint not null,
    time_sent timestamptz,
    time_appended timestamptz,
    time_extracted timestamptz,
    time_associated timestamptz not null,
    unique (stream_id, image_id)
);
create index on image (time_start desc, image_key desc);
comment on table image is 'Image that was accepted or rejected, with its rms grid';
comment on column image.image_key is 'Key of the image inside this database, in order of insertion [-]';
comment on column image.image_id is 'sha256 of the bytes on Kafka, hexadecimal';
comment on column image.stream_id is 'Stream [-]';
comment on column image.timestep_id is 'Timestep; null for an image without a time [-]';
comment on column image.band_id is 'Band; null for an image without a frequency [-]';
comment on column image.verdict is 'Outcome of the quality control: accepted or rejected';
comment on column image.reasons is 'Codes of the reasons for a rejection';
comment on column image.reason_text is 'Explanation of the rejection';
comment on column image.warnings is
'Warnings of the extractor: unreadable optional cards, constants taken for blank';
comment on column image.time_start is 'Start of the exposure [UTC]';
comment on column image.exposure_s is 'Length of the exposure [s]';
comment on column image.freq_eff_hz is 'Effective frequency [Hz]';
comment on column image.freq_bw_hz is 'Bandwidth [Hz]';
comment on column image.stokes is 'Stokes parameter';
comment on column image.beam_major_deg is 'Major axis of the restoring beam, FWHM [deg]';
comment on column image.beam_minor_deg is 'Minor axis of the restoring beam, FWHM [deg]';
comment on column image.beam_pa_deg is 'Position angle of the restoring beam, north through east [deg]';
comment on column image.field_ra is 'Right ascension of the centre of the image, ICRS [deg]';
comment on column image.field_dec is 'Declination of the centre of the image, ICRS [deg]';
comment on column image.field_radius_deg is 'Distance from the centre to the farthest corner [deg]';
comment on column image.width_px is 'Number of columns [px]';
comment on column image.height_px is 'Number of rows [px]';
comment on column image.wcs_header is 'FITS cards of the celestial coordinates';
comment on column image.telescope is 'Telescope, as the header names it';
comment on column image.margin_px is 'Border of the image in which no sources were searched [px]';
comment on column image.rms_jy_beam is 'Median local rms [Jy/beam]';
comment on column image.detection_threshold_sigma is
'Threshold of the blind detections in units of the local rms [-]';
comment on column image.rms_grid_cell_px is 'Side of a cell of the rms grid [px]';
comment on column image.rms_grid_columns is 'Columns of the rms grid [-]';
comment on column image.rms_grid is 'Local rms at the cell centres, row by row [Jy/beam]';
comment on column image.n_sources is 'Blind detections [-]';
comment on column image.is_late is 'Whether it came after its timestep was closed';
comment on column image.kafka_cluster_id is 'Kafka cluster it was read from';
comment on column image.kafka_topic is 'Topic it was read from';
comment on column image.kafka_partition is 'Partition it was read from [-]';
comment on column image.kafka_offset is 'Offset it was read from [-]';
comment on column image.time_sent is 'When the producer sent it [UTC]';
comment on column image.time_appended is 'When Kafka appended it [UTC]';
comment on column image.time_extracted is 'When its sources were extracted [UTC]';
comment on column image.time_associated is 'When it was associated [UTC]';

-- No column that an image updates is indexed, so updates stay HOT: zone, search_ra and search_dec are
-- the position at creation, rewritten only after a drift. first_image_key references nothing: only a
-- scan could check it when a stream is deleted, and one transaction writes both ends.
--
-- A timestep updates thousands of rows of source and source_band in place, and the next one prunes
-- the dead versions: vacuum has little to do, and every analysis holds a snapshot that stops the
-- pruning. Their plans are index look-ups, whatever the statistics are.
create table source (
    id bigint generated always as identity primary key,
    stream_id int not null references stream (id),
    parent_source_id bigint references source (id),
    zone smallint not null,
    search_ra float8 not null,
    search_dec float8 not null,
    ra float8 not null,
    dec float8 not null,
    weight_ra float8 not null,
    weight_dec float8 not null,
    n_datapoints int not null,
    eta float8 not null,
    v float8 not null,
    first_image_key bigint not null,
    first_source_number int not null,
    first_time_start timestamptz not null,
    last_time_start timestamptz not null,
    is_new boolean not null default false,
    is_variable boolean not null default false
) with (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.2,
    autovacuum_analyze_scale_factor = 2,
    autovacuum_analyze_threshold = 100000
);
create index on source (stream_id, zone, search_ra, search_dec);
create index on source (parent_source_id) where parent_source_id is not null;
comment on table source is 'Running catalogue: one row a source, updated with every measurement';
comment on column source.id is 'Identity of the source, for its whole life [-]';
comment on column source.stream_id is 'Stream [-]';
comment on column source.parent_source_id is 'Source it was split from; null for most [-]';
comment on column source.zone is
'floor(search_dec / 0.5); 32767 for the source of a monitor, which is never matched [-]';
comment on column source.search_ra is 'Right ascension in the search index, ICRS [deg]';
comment on column source.search_dec is 'Declination in the search index, ICRS [deg]';
comment on column source.ra is 'Weighted mean right ascension, ICRS [deg]';
comment on column source.dec is 'Weighted mean declination, ICRS [deg]';
comment on column source.weight_ra is
'Sum of 1/ra_err_deg^2 of its measurements, statistical errors only [1/deg^2]';
comment on column source.weight_dec is
'Sum of 1/dec_err_deg^2 of its measurements, statistical errors only [1/deg^2]';
comment on column source.n_datapoints is
'Blind detections, those of its parent before the split included [-]';
comment on column source.eta is 'Reduced chi-square against a constant flux, largest of its bands [-]';
comment on column source.v is 'Coefficient of variation of the flux in the band of that eta [-]';
comment on column source.first_image_key is 'Image of its first detection [-]';
comment on column source.first_source_number is 'Number of its first detection in that image [-]';
comment on column source.first_time_start is 'Start of the exposure of its first detection [UTC]';
comment on column source.last_time_start is 'Start of the exposure of its last detection [UTC]';
comment on column source.is_new is 'Whether an event has announced it as new';
comment on column source.is_variable is 'Whether an event has announced it as variable';

create table source_band (
    source_id bigint not null references source (id),
    band_id int not null references band (id),
    stokes text not null,
    n_datapoints int not null,
    flux_int_mean_jy float8 not null,
    flux_int_m2 float8 not null,
    flux_int_weight float8 not null,
    flux_int_wmean_jy float8 not null,
    flux_int_wm2 float8 not null,
    flux_peak_mean_jy_beam float8 not null,
    flux_peak_m2 float8 not null,
    flux_peak_weight float8 not null,
    flux_peak_wmean_jy_beam float8 not null,
    flux_peak_wm2 float8 not null,
    flux_int_max_jy float8 not null,
    primary key (source_id, band_id, stokes)
) with (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.2,
    autovacuum_analyze_scale_factor = 2,
    autovacuum_analyze_threshold = 100000
);
comment on table source_band is 'Light-curve statistics of a source in one band and Stokes parameter';
comment on column source_band.source_id is 'Source [-]';
comment on column source_band.band_id is 'Band [-]';
comment on column source_band.stokes is 'Stokes parameter';
comment on column source_band.n_datapoints is 'Measurements [-]';
comment on column source_band.flux_int_mean_jy is 'Mean integrated flux [Jy]';
comment on column source_band.flux_int_m2 is
'Sum of squared deviations from the mean integrated flux (Welford) [Jy^2]';
comment on column source_band.flux_int_weight is 'Sum of 1/flux_int_err_jy^2 [1/Jy^2]';
comment on column source_band.flux_int_wmean_jy is
'Mean integrated flux, weighted by 1/flux_int_err_jy^2 [Jy]';
comment on column source_band.flux_int_wm2 is
'Weighted sum of squared deviations from the weighted mean (West) [-]';
comment on column source_band.flux_peak_mean_jy_beam is 'Mean peak flux [Jy/beam]';
comment on column source_band.flux_peak_m2 is
'Sum of squared deviations from the mean peak flux (Welford) [(Jy/beam)^2]';
comment on column source_band.flux_peak_weight is 'Sum of 1/flux_peak_err_jy_beam^2 [(beam/Jy)^2]';
comment on column source_band.flux_peak_wmean_jy_beam is
'Mean peak flux, weighted by 1/flux_peak_err_jy_beam^2 [Jy/beam]';
comment on column source_band.flux_peak_wm2 is
'Weighted sum of squared deviations from the weighted mean (West) [-]';
comment on column source_band.flux_int_max_jy is 'Largest integrated flux [Jy]';

-- A partition a stream, in partitions a month: a stream is deleted, and old measurements expire, by
-- dropping tables.
create table detection (
    stream_id int not null,
    image_key bigint not null,
    source_number int not null,
    time_start timestamptz not null,
    source_id bigint not null,
    band_id int not null,
    stokes text not null,
    extraction_type text not null check (extraction_type in ('blind', 'forced', 'monitor')),
    de_ruiter_radius float8,
    ra float8 not null,
    dec float8 not null,
    ra_err_deg float8 not null,
    dec_err_deg float8 not null,
    flux_peak_jy_beam float8 not null,
    flux_peak_err_jy_beam float8 not null,
    flux_int_jy float8 not null,
    flux_int_err_jy float8 not null,
    snr float8 not null,
    rms_local_jy_beam float8 not null,
    major_arcsec float8 not null,
    minor_arcsec float8 not null,
    pa_deg float8 not null,
    quality_flags bigint not null,
    primary key (stream_id, time_start, image_key, source_number)
) partition by list (stream_id);
create index on detection (source_id, time_start);
comment on table detection is
'Every measurement, blind or forced; ensure_detection_partition creates its partitions';
comment on column detection.stream_id is 'Stream [-]';
comment on column detection.image_key is 'Image that was measured [-]';
comment on column detection.source_number is 'Number of the measurement in its image [-]';
comment on column detection.time_start is 'Start of the exposure [UTC]';
comment on column detection.source_id is 'Source that it belongs to [-]';
comment on column detection.band_id is 'Band [-]';
comment on column detection.stokes is 'Stokes parameter';
comment on column detection.extraction_type is 'Kind of measurement: blind, forced or monitor';
comment on column detection.de_ruiter_radius is
'Distance to its source in units of the errors; null where it created the source or was forced [-]';
comment on column detection.ra is 'Right ascension, ICRS [deg]';
comment on column detection.dec is 'Declination, ICRS [deg]';
comment on column detection.ra_err_deg is
'Error of the right ascension on the sky, 1 sigma, statistical [deg]';
comment on column detection.dec_err_deg is 'Error of the declination, 1 sigma, statistical [deg]';
comment on column detection.flux_peak_jy_beam is 'Peak flux [Jy/beam]';
comment on column detection.flux_peak_err_jy_beam is 'Error of the peak flux, 1 sigma [Jy/beam]';
comment on column detection.flux_int_jy is 'Integrated flux [Jy]';
comment on column detection.flux_int_err_jy is 'Error of the integrated flux, 1 sigma [Jy]';
comment on column detection.snr is 'Peak flux in units of the local rms [-]';
comment on column detection.rms_local_jy_beam is 'Local rms [Jy/beam]';
comment on column detection.major_arcsec is 'Major axis, FWHM [arcsec]';
comment on column detection.minor_arcsec is 'Minor axis, FWHM [arcsec]';
comment on column detection.pa_deg is 'Position angle, north through east [deg]';
comment on column detection.quality_flags is 'Bit mask of quality flags [-]';

create function ensure_detection_partition(wanted_stream_id int, moment timestamptz) returns void
language plpgsql
as $$
declare
    stream_partition text := 'detection_s' || wanted_stream_id;
    month_start timestamp := date_trunc('month', moment at time zone 'UTC');
    month_partition text := stream_partition || '_' || to_char(month_start, 'YYYY_MM');
begin
    if to_regclass(month_partition) is not null then
        return;
    end if;
    perform pg_advisory_xact_lock(hashtext(stream_partition));
    -- Attaching a finished table locks out no reader; "create partition of" would.
    if to_regclass(stream_partition) is null then
        execute format(
            'create table %I (like detection including defaults including constraints) '
            'partition by range (time_start)',
            stream_partition
        );
        execute format(
            'alter table detection attach partition %I for values in (%L)', stream_partition, wanted_stream_id
        );
    end if;
    if to_regclass(month_partition) is null then
        -- It only grows, and is read by index: an analysis at every 2 % of growth would never end.
        execute format(
            'create table %I (like detection including defaults including constraints) '
            'with (autovacuum_analyze_scale_factor = 0.5)',
            month_partition
        );
        execute format(
            'alter table %I attach partition %I for values from (%L) to (%L)',
            stream_partition,
            month_partition,
            month_start at time zone 'UTC',
            (month_start + interval '1 month') at time zone 'UTC'
        );
    end if;
end
$$;
comment on function ensure_detection_partition is
'Create the partition of a stream for the month of a moment, if it is missing';

create function drop_detection_partitions(wanted_stream_id int, moment timestamptz) returns setof text
language plpgsql
as $$
declare
    month_partition text;
begin
    for month_partition in
        select partition.relname
        from pg_inherits
        inner join pg_class as partition on pg_inherits.inhrelid = partition.oid
        where
            pg_inherits.inhparent = to_regclass('detection_s' || wanted_stream_id)
            and (to_date(right(partition.relname, 7), 'YYYY_MM') + interval '1 month') at time zone 'UTC' <= moment
        order by partition.relname
    loop
        execute format('drop table %I', month_partition);
        return next month_partition;
    end loop;
end
$$;
comment on function drop_detection_partitions is
'Drop the months of a stream that ended before a moment; return their names';

create table shared_detection (
    source_id bigint not null references source (id),
    time_start timestamptz not null,
    image_key bigint not null,
    source_number int not null,
    de_ruiter_radius float8 not null,
    primary key (source_id, time_start, image_key, source_number)
);
comment on table shared_detection is
'Measurement that belongs to a second source too (n-1); the first is detection.source_id';
comment on column shared_detection.source_id is 'Second source [-]';
comment on column shared_detection.time_start is 'Start of the exposure [UTC]';
comment on column shared_detection.image_key is 'Image that was measured [-]';
comment on column shared_detection.source_number is 'Number of the measurement in its image [-]';
comment on column shared_detection.de_ruiter_radius is
'Distance to the second source in units of the errors [-]';

-- Of the own, the shared and the ancestors' measurements the newest n_newest each, null for all.
-- The stream is looked up first: the plan then has its partitions alone.
create function light_curve(wanted_source_id bigint, n_newest bigint) returns setof detection
language plpgsql stable
as $$
declare
    source_stream_id int := (select source.stream_id from source where source.id = wanted_source_id);
begin
    return query
    with recursive ancestor as (
        select
            source.id,
            source.parent_source_id,
            source.first_time_start,
            source.first_image_key,
            'infinity'::timestamptz as until_time,
            0::bigint as until_image_key
        from source
        where source.id = wanted_source_id
        union all
        select
            parent.id,
            parent.parent_source_id,
            parent.first_time_start,
            parent.first_image_key,
            ancestor.first_time_start as until_time,
            ancestor.first_image_key as until_image_key
        from ancestor
        inner join source as parent on ancestor.parent_source_id = parent.id
    )

    select own.*
    from ancestor
    cross join lateral (
        select detection.*
        from detection
        where
            detection.stream_id = source_stream_id
            and detection.source_id = ancestor.id
            and detection.time_start <= ancestor.until_time
            and (detection.time_start, detection.image_key) < (ancestor.until_time, ancestor.until_image_key)
        order by detection.time_start desc
        limit n_newest
    ) as own
    union all
    select shared.*
    from ancestor
    cross join lateral (
        select detection.*
        from shared_detection
        inner join detection
            on
                detection.stream_id = source_stream_id
                and shared_detection.time_start = detection.time_start
                and shared_detection.image_key = detection.image_key
                and shared_detection.source_number = detection.source_number
        where
            shared_detection.source_id = ancestor.id
            and shared_detection.time_start <= ancestor.until_time
            and (shared_detection.time_start, shared_detection.image_key)
            < (ancestor.until_time, ancestor.until_image_key)
        order by shared_detection.time_start desc
        limit n_newest
    ) as shared;
end
$$;
comment on function light_curve is
'Measurements of a source: its own, shared ones and those of its ancestors before the split';

create table sky_coverage (
    band_id int not null references band (id),
    stokes text not null,
    cell bigint not null,
    image_key bigint not null,
    rms_jy_beam float8 not null,
    primary key (band_id, stokes, cell)
) with (fillfactor = 70);
comment on table sky_coverage is 'Deepest earlier image of each cell of the sky, band and Stokes parameter';
comment on column sky_coverage.band_id is 'Band [-]';
comment on column sky_coverage.stokes is 'Stokes parameter';
comment on column sky_coverage.cell is 'HEALPix cell: 4 * 4^order + nested pixel (NUNIQ) [-]';
comment on column sky_coverage.image_key is 'Deepest image that covers the cell [-]';
comment on column sky_coverage.rms_jy_beam is
'Local rms of that image in the middle of the covered part of the cell [Jy/beam]';

create table null_detection (
    stream_id int not null references stream (id),
    source_id bigint not null,
    n_timesteps int not null,
    primary key (stream_id, source_id)
) with (fillfactor = 70);
comment on table null_detection is
'Known source that the last timesteps of its stream did not detect; measured by forced photometry';
comment on column null_detection.stream_id is 'Stream [-]';
comment on column null_detection.source_id is 'Source [-]';
comment on column null_detection.n_timesteps is 'Timesteps in a row without a blind detection [-]';

create table forced_gap (
    stream_id int not null,
    image_key bigint not null,
    source_id bigint not null,
    reason text not null,
    primary key (stream_id, image_key, source_id)
);
comment on table forced_gap is 'Forced measurement that could not be made';
comment on column forced_gap.stream_id is 'Stream [-]';
comment on column forced_gap.image_key is 'Image that was to be measured [-]';
comment on column forced_gap.source_id is 'Source [-]';
comment on column forced_gap.reason is
'Reason: outside, blank, confused, image_gone or the code of a rejection';

create table monitor (
    id bigint generated always as identity primary key,
    stream text not null,
    name text not null,
    ra float8 not null check (ra >= 0 and ra < 360),
    dec float8 not null check (dec between -90 and 90),
    source_id bigint references source (id),
    time_created timestamptz not null default now(),
    unique (stream, ra, dec)
);
comment on table monitor is 'Position to measure in every image of a stream, which may not exist yet';
comment on column monitor.id is 'Key of the row, in order of insertion [-]';
comment on column monitor.stream is 'Name of the stream';
comment on column monitor.name is 'Name of the position';
comment on column monitor.ra is 'Right ascension, ICRS [deg]';
comment on column monitor.dec is 'Declination, ICRS [deg]';
comment on column monitor.source_id is
'Source of its light curve; null until an image covers the position [-]';
comment on column monitor.time_created is 'When it was created [UTC]';

create table transient (
    id bigint generated always as identity primary key,
    event_id text not null unique,
    trig_id text not null,
    source_id bigint not null references source (id),
    stream_id int not null references stream (id),
    kind text not null check (kind in ('new_source', 'variable')),
    certainty text not null check (certainty in ('certain', 'possible')),
    state text not null check (state in ('active', 'retracted')),
    image_key bigint not null,
    source_number int not null,
    time_start timestamptz not null,
    time_detected timestamptz not null,
    ra float8 not null,
    dec float8 not null,
    ra_err_deg float8 not null,
    dec_err_deg float8 not null,
    flux_peak_jy_beam float8 not null,
    snr float8 not null,
    eta float8 not null,
    v float8 not null,
    last_notified_snr float8,
    last_notified_n_bands int,
    last_notified_time_start timestamptz,
    last_notified_ra float8,
    last_notified_dec float8,
    last_notified_ra_err_deg float8,
    last_notified_dec_err_deg float8,
    limit_previous_jy_beam float8,
    n_updates int not null default 0,
    retraction_reason text,
    unique (source_id, kind)
);
create index on transient (time_detected desc, id desc);
create index on transient (image_key);
comment on table transient is 'Source that an event has announced as new or variable';
comment on column transient.id is 'Key of the row, in order of insertion [-]';
comment on column transient.event_id is 'Identity of its first event';
comment on column transient.trig_id is 'Identity that its alerts share';
comment on column transient.source_id is 'Source [-]';
comment on column transient.stream_id is 'Stream [-]';
comment on column transient.kind is 'Kind: new_source or variable';
comment on column transient.certainty is 'Certainty that it is new: certain or possible';
comment on column transient.state is 'State: active or retracted';
comment on column transient.image_key is 'Image of the detection that triggered it [-]';
comment on column transient.source_number is 'Number of that detection in its image [-]';
comment on column transient.time_start is 'Start of the exposure of that detection [UTC]';
comment on column transient.time_detected is 'When the associator decided [UTC]';
comment on column transient.ra is 'Right ascension of the source at that time, ICRS [deg]';
comment on column transient.dec is 'Declination of the source at that time, ICRS [deg]';
comment on column transient.ra_err_deg is 'Error of the right ascension on the sky, 1 sigma [deg]';
comment on column transient.dec_err_deg is 'Error of the declination, 1 sigma [deg]';
comment on column transient.flux_peak_jy_beam is 'Peak flux of that detection [Jy/beam]';
comment on column transient.snr is 'Signal-to-noise ratio of that detection [-]';
comment on column transient.eta is 'Reduced chi-square of the source at that time [-]';
comment on column transient.v is 'Coefficient of variation of the source at that time [-]';
comment on column transient.last_notified_snr is
'Largest signal-to-noise ratio that an event gave; null: that of the first event [-]';
comment on column transient.last_notified_n_bands is
'Largest number of bands at once that an event gave [-]';
comment on column transient.last_notified_time_start is
'Start of the exposure of the last event; null: of the first event [UTC]';
comment on column transient.last_notified_ra is
'Right ascension that the last event gave; null: that of the first event [deg]';
comment on column transient.last_notified_dec is
'Declination that the last event gave; null: that of the first event [deg]';
comment on column transient.last_notified_ra_err_deg is
'Error of last_notified_ra on the sky, 1 sigma; null: of the first event [deg]';
comment on column transient.last_notified_dec_err_deg is
'Error of last_notified_dec, 1 sigma; null: of the first event [deg]';
comment on column transient.limit_previous_jy_beam is
'Flux that an earlier image of the position would have detected [Jy/beam]';
comment on column transient.n_updates is 'Updates since the first event [-]';
comment on column transient.retraction_reason is 'Reason of the retraction';

create table source_event (
    id bigint generated always as identity primary key,
    event_id text not null unique,
    transient_id bigint not null references transient (id) on delete cascade,
    kind text not null check (kind in ('new_source', 'variable', 'update', 'retraction')),
    time_detected timestamptz not null,
    event jsonb not null
);
create index on source_event (transient_id, id);
create index on source_event (time_detected);
comment on table source_event is 'Every event of transients-v1';
comment on column source_event.id is 'Key of the row, in order of insertion [-]';
comment on column source_event.event_id is 'Identity of the event, derived';
comment on column source_event.transient_id is 'Transient [-]';
comment on column source_event.kind is 'Kind: new_source, variable, update or retraction';
comment on column source_event.time_detected is 'When the associator decided [UTC]';
comment on column source_event.event is 'Event, with the field names of the Avro record; NaN is null';

create table outbox (
    id bigint generated always as identity primary key,
    topic text not null,
    key text not null,
    value bytea not null,
    time_created timestamptz not null default now()
);
comment on table outbox is
'Messages for Kafka, written with the rows they announce and deleted once Kafka has them';
comment on column outbox.id is 'Key of the row, in order of insertion [-]';
comment on column outbox.topic is 'Topic';
comment on column outbox.key is 'Key of the message';
comment on column outbox.value is 'Value of the message';
comment on column outbox.time_created is 'When it was written [UTC]';

create table consumed_offset (
    cluster_id text not null,
    topic text not null,
    partition int not null,
    next_offset bigint not null,
    primary key (cluster_id, topic, partition)
);
comment on table consumed_offset is
'Offset from which the associator goes on, written with the rows of what it has consumed';
comment on column consumed_offset.cluster_id is 'Kafka cluster';
comment on column consumed_offset.topic is 'Topic';
comment on column consumed_offset.partition is 'Partition [-]';
comment on column consumed_offset.next_offset is 'Offset of the next message to read [-]';

create table image_ledger (
    kafka_cluster_id text not null,
    kafka_topic text not null,
    kafka_partition int not null,
    kafka_offset bigint not null,
    stream text not null,
    image_id text not null,
    outcome text not null check (outcome in ('processed', 'rejected', 'duplicate', 'late')),
    reasons text[] not null,
    time_recorded timestamptz not null default now(),
    primary key (kafka_cluster_id, kafka_topic, kafka_partition, kafka_offset)
);
comment on table image_ledger is 'Outcome of every image that was on Kafka';
comment on column image_ledger.kafka_cluster_id is 'Kafka cluster the image was read from';
comment on column image_ledger.kafka_topic is 'Topic the image was read from';
comment on column image_ledger.kafka_partition is 'Partition the image was read from [-]';
comment on column image_ledger.kafka_offset is 'Offset the image was read from [-]';
comment on column image_ledger.stream is 'Name of the stream';
comment on column image_ledger.image_id is 'sha256 of the image, hexadecimal';
comment on column image_ledger.outcome is 'Outcome: processed, rejected, duplicate or late';
comment on column image_ledger.reasons is
'Codes of the reasons for a rejection, or for a duplicate with other bytes';
comment on column image_ledger.time_recorded is 'When the outcome was recorded [UTC]';

create table ledger_total (
    stream text not null,
    outcome text not null,
    reason text not null,
    n_images bigint not null,
    primary key (stream, outcome, reason)
) with (fillfactor = 50);
comment on table ledger_total is 'Number of images by outcome: sums of image_ledger, kept with it';
comment on column ledger_total.stream is 'Name of the stream';
comment on column ledger_total.outcome is 'Outcome, as in image_ledger';
comment on column ledger_total.reason is 'First reason of a rejection, else empty';
comment on column ledger_total.n_images is 'Images [-]';

create table alert (
    id bigint generated always as identity primary key,
    ivorn text not null unique,
    trig_id text not null,
    revision int not null,
    event_id text not null unique,
    alert_type text not null check (alert_type in ('initial', 'subsequent', 'update', 'retraction')),
    role text not null,
    transient_id bigint,
    source_id bigint,
    stream text not null,
    kind text not null,
    ra float8 not null,
    dec float8 not null,
    snr float8 not null,
    flux_peak_jy_beam float8 not null,
    time_start timestamptz not null,
    time_alert timestamptz not null,
    voevent bytea not null,
    notice jsonb not null,
    latency_s float8,
    rule text,
    image_id text,
    kafka_low_watermark jsonb,
    time_published timestamptz
);
create index on alert (transient_id);
create index on alert (trig_id);
create index on alert (id) where time_published is null;
create index on alert (image_id) where alert_type = 'initial';
create index on alert (stream, time_start) where alert_type = 'initial';
comment on table alert is 'Alert, exactly as it was sent';
comment on column alert.id is 'Key of the row, in order of insertion [-]';
comment on column alert.ivorn is 'IVOA identifier';
comment on column alert.trig_id is 'Identity that the alerts of a transient share';
comment on column alert.revision is 'Number of the alert among those of its trig_id, from 0 [-]';
comment on column alert.event_id is 'Event that it announces';
comment on column alert.alert_type is 'Type: initial, subsequent, update or retraction';
comment on column alert.role is 'Role of the VOEvent: observation or test';
comment on column alert.transient_id is 'Transient; null for a storm or a test [-]';
comment on column alert.source_id is 'Source; null for a storm or a test [-]';
comment on column alert.stream is 'Name of the stream';
comment on column alert.kind is 'Kind: that of the transient, storm or test';
comment on column alert.ra is 'Right ascension, ICRS [deg]';
comment on column alert.dec is 'Declination, ICRS [deg]';
comment on column alert.snr is 'Signal-to-noise ratio [-]';
comment on column alert.flux_peak_jy_beam is 'Peak flux [Jy/beam]';
comment on column alert.time_start is 'Start of the exposure [UTC]';
comment on column alert.time_alert is 'When it was written [UTC]';
comment on column alert.voevent is 'VOEvent 2.0 packet';
comment on column alert.notice is 'GCN-style notice';
comment on column alert.latency_s is 'Time from the append of the image on Kafka to the alert [s]';
comment on column alert.rule is 'Rule that sent it; null for a follow-up of an earlier alert';
comment on column alert.image_id is 'sha256 of the image, hexadecimal';
comment on column alert.kafka_low_watermark is
'Ends of the alert topics before it was sent, by topic/partition';
comment on column alert.time_published is 'When both alert topics on Kafka had it; null: not yet [UTC]';

create table suppressed_event (
    event_id text primary key,
    trig_id text not null,
    stream text not null,
    image_id text not null,
    reason text not null,
    event jsonb not null,
    time_suppressed timestamptz not null default now(),
    time_released timestamptz
);
create index on suppressed_event (image_id);
create index on suppressed_event (time_suppressed) where time_released is null;
comment on table suppressed_event is
'Event beyond what one image or one minute may bring, until an operator releases it';
comment on column suppressed_event.event_id is 'Identity of the event';
comment on column suppressed_event.trig_id is 'Identity that its alerts would share';
comment on column suppressed_event.stream is 'Name of the stream';
comment on column suppressed_event.image_id is 'sha256 of the image, hexadecimal';
comment on column suppressed_event.reason is 'Reason of the suppression';
comment on column suppressed_event.event is 'Event, with the field names of the Avro record';
comment on column suppressed_event.time_suppressed is 'When it was suppressed [UTC]';
comment on column suppressed_event.time_released is 'When an operator released it [UTC]';

create table subscriber (
    channel text not null check (channel in ('vtp', 'webhook', 'email', 'broker')),
    name text not null,
    since_alert_id bigint not null,
    n_failures int not null default 0,
    disabled_reason text,
    failure_reason text,
    time_failed timestamptz,
    time_created timestamptz not null default now(),
    primary key (channel, name)
) with (fillfactor = 70);
comment on table subscriber is
'Named subscriber of a delivery channel, with its position in the sequence of alerts';
comment on column subscriber.channel is 'Delivery channel: vtp, webhook, email or broker';
comment on column subscriber.name is 'Name of the subscriber';
comment on column subscriber.since_alert_id is
'Alerts up to this one are delivered or older than the subscription [-]';
comment on column subscriber.n_failures is 'Failed attempts in a row [-]';
comment on column subscriber.disabled_reason is 'Reason why it is disabled; null while it is served';
comment on column subscriber.failure_reason is 'Reason of the last failure; null after a success';
comment on column subscriber.time_failed is 'First of the failed attempts in a row; null: none failed [UTC]';
comment on column subscriber.time_created is 'When it first subscribed [UTC]';

create table delivery (
    alert_id bigint not null references alert (id) on delete cascade,
    channel text not null check (channel in ('kafka', 'vtp', 'webhook', 'email', 'broker')),
    subscriber text not null,
    time_sent timestamptz not null,
    time_acknowledged timestamptz,
    primary key (alert_id, channel, subscriber)
);
comment on table delivery is 'Delivery of an alert to a subscriber';
comment on column delivery.alert_id is 'Alert [-]';
comment on column delivery.channel is 'Delivery channel: kafka, vtp, webhook, email or broker';
comment on column delivery.subscriber is 'Name of the subscriber';
comment on column delivery.time_sent is 'When it was sent [UTC]';
comment on column delivery.time_acknowledged is 'When the subscriber acknowledged it [UTC]';

create table submission (
    id bigint generated always as identity primary key,
    ivorn text not null unique,
    packet bytea not null,
    sha256 text not null,
    peer text not null,
    time_received timestamptz not null default now(),
    time_relayed timestamptz
);
create index on submission (id) where time_relayed is null;
create index on submission (time_received);
comment on table submission is 'VOEvent that another author submitted for the VTP subscribers';
comment on column submission.id is 'Key of the row, in order of insertion [-]';
comment on column submission.ivorn is 'IVOA identifier';
comment on column submission.packet is 'Packet, byte for byte';
comment on column submission.sha256 is 'sha256 of the packet, hexadecimal';
comment on column submission.peer is 'Network address of the author';
comment on column submission.time_received is 'When it was received [UTC]';
comment on column submission.time_relayed is 'When the VTP subscribers were sent it; null: not yet [UTC]';

create table reference_catalogue (
    id int generated always as identity primary key,
    name text not null unique,
    n_sources bigint not null,
    time_loaded timestamptz not null default now()
);
comment on table reference_catalogue is 'Catalogue of another survey that rules can ask for';
comment on column reference_catalogue.id is 'Key of the row, in order of insertion [-]';
comment on column reference_catalogue.name is 'Name of the catalogue';
comment on column reference_catalogue.n_sources is 'Sources [-]';
comment on column reference_catalogue.time_loaded is 'When it was loaded [UTC]';

create table reference_source (
    catalogue_id int not null references reference_catalogue (id) on delete cascade,
    zone smallint not null,
    ra float8 not null,
    dec float8 not null
);
create index on reference_source (catalogue_id, zone, ra, dec);
comment on table reference_source is 'Source of a reference catalogue';
comment on column reference_source.catalogue_id is 'Catalogue [-]';
comment on column reference_source.zone is 'floor(dec / 0.5) [-]';
comment on column reference_source.ra is 'Right ascension, ICRS, 0 to 360 [deg]';
comment on column reference_source.dec is 'Declination, ICRS [deg]';

-- Near a pole or across 0h the searched box is a ring; the distance decides.
create function matches_reference(
    wanted_name text, wanted_ra float8, wanted_dec float8, radius_arcsec float8
) returns boolean
language plpgsql
stable
as $$
declare
    radius float8 := radius_arcsec / 3600;
    low float8 := wanted_dec - radius;
    high float8 := wanted_dec + radius;
    half_width float8 := 360;
    ra_0_360 float8 := wanted_ra - 360 * floor(wanted_ra / 360);
begin
    if wanted_ra is null or wanted_dec is null then
        return false;
    end if;
    if high < 90 and low > -90 then
        half_width := asind(least(1, sind(radius) / cosd(wanted_dec))) * (1 + 1e-9);
    end if;
    return exists (
        select 1
        from reference_catalogue
        cross join
            generate_series(floor(low / 0.5)::int, floor(high / 0.5)::int) as wanted_zone
        cross join lateral (
            values
            (ra_0_360 - half_width, ra_0_360 + half_width),
            (ra_0_360 - half_width + 360, ra_0_360 + half_width + 360),
            (ra_0_360 - half_width - 360, ra_0_360 + half_width - 360)
        ) as box (ra_low, ra_high)
        inner join reference_source
            on
                reference_catalogue.id = reference_source.catalogue_id
                and reference_source.zone = wanted_zone
                and reference_source.ra between box.ra_low and box.ra_high
                and reference_source.dec between low and high
        where
            reference_catalogue.name = wanted_name
            and sind((reference_source.dec - wanted_dec) / 2) ^ 2
            + cosd(reference_source.dec) * cosd(wanted_dec) * sind((reference_source.ra - ra_0_360) / 2) ^ 2
            <= sind(radius / 2) ^ 2
    );
end
$$;
comment on function matches_reference is
'Whether a reference catalogue has a source within a radius of a position';

-- Deletes the measurements by dropping their partition, the rest by index; image_ledger and the alerts
-- stay. It locks the row of the stream first: an associator that works on the stream waits, and
-- creates it anew with its next image.
create function delete_stream(wanted_stream_id int) returns void
language plpgsql
as $$
begin
    perform 1 from stream where stream.id = wanted_stream_id for update;
    execute format('drop table if exists %I', 'detection_s' || wanted_stream_id);
    delete from monitor
    where monitor.stream = (select stream.name from stream where stream.id = wanted_stream_id);
    delete from null_detection
    where null_detection.stream_id = wanted_stream_id;
    delete from forced_gap
    where forced_gap.stream_id = wanted_stream_id;
    delete from shared_detection
    where shared_detection.source_id in (select source.id from source where source.stream_id = wanted_stream_id);
    delete from source_band
    where source_band.source_id in (select source.id from source where source.stream_id = wanted_stream_id);
    delete from transient
    where transient.stream_id = wanted_stream_id;
    delete from source
    where source.stream_id = wanted_stream_id;
    delete from sky_coverage
    where sky_coverage.band_id in (select band.id from band where band.stream_id = wanted_stream_id);
    delete from expected_channel
    where expected_channel.band_id in (select band.id from band where band.stream_id = wanted_stream_id);
    delete from image
    where image.stream_id = wanted_stream_id;
    delete from timestep
    where timestep.stream_id = wanted_stream_id;
    delete from band
    where band.stream_id = wanted_stream_id;
    delete from stream
    where stream.id = wanted_stream_id;
end
$$;
comment on function delete_stream is 'Delete a stream with its images, sources, measurements and transients';

comment on table schema_migration is 'Schema file that was applied to this database';
comment on column schema_migration.name is 'Name of the file';
comment on column schema_migration.sha256 is 'sha256 of the file, hexadecimal';
comment on column schema_migration.time_applied is 'When it was applied [UTC]';

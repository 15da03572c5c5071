-- Streams, bands, images, the running catalogue, detections, transients, alerts and the books.

create table stream (
    id int generated always as identity primary key,
    name text not null unique,
    closed_until timestamptz
);
comment on table stream is 'A sequence of images of one telescope or field';
comment on column stream.closed_until is 'Its last closed timestep; later ones only, or late';

create table band (
    id int generated always as identity primary key,
    stream_id int not null references stream (id),
    freq_eff_hz float8 not null,
    freq_bw_hz float8 not null,
    unique (stream_id, freq_eff_hz, freq_bw_hz)
);
comment on column band.freq_eff_hz is 'Centre of the band [Hz]';
comment on column band.freq_bw_hz is 'Width of the band [Hz]';

-- What a timestep waits for.
create table channel (
    band_id int not null references band (id),
    stokes text not null,
    last_time_start timestamptz not null,
    missed_timesteps int not null,
    primary key (band_id, stokes)
) with (fillfactor = 50);
comment on column channel.missed_timesteps is 'Closed since its last image; 3 = no longer expected [-]';

create table timestep (
    id bigint generated always as identity primary key,
    stream_id int not null references stream (id),
    time_start timestamptz not null,
    is_late boolean not null,
    n_images int not null,
    time_associated timestamptz not null
);
create index on timestep (stream_id, time_start);
comment on column timestep.is_late is 'Associated on its own, behind the watermark [-]';

create table image (
    id bigint generated always as identity primary key,
    image_id text not null,
    stream_id int not null references stream (id),
    timestep_id bigint references timestep (id),
    band_id int references band (id),
    verdict text not null check (verdict in ('accepted', 'rejected')),
    reasons text[] not null,
    reason_text text,
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
    rms_jy_beam float8,
    detection_threshold_sigma float8,
    rms_grid_cell_px int,
    rms_grid_columns int,
    rms_grid real[],
    n_sources int not null,
    is_late boolean not null default false,
    source_cluster_id text not null,
    source_topic text not null,
    source_partition int not null,
    source_offset bigint not null,
    time_sent timestamptz,
    time_appended timestamptz,
    time_extracted timestamptz,
    time_associated timestamptz not null,
    unique (stream_id, image_id)
);
create index on image (time_start desc, id desc);
comment on column image.image_id is 'sha256 of the bytes on Kafka [hex]';
comment on column image.exposure_s is 'Length of the exposure [s]';
comment on column image.beam_major_deg is 'Restoring beam, major axis FWHM [deg]';
comment on column image.field_radius_deg is 'Centre to farthest corner [deg]';
comment on column image.rms_jy_beam is 'Median local rms [Jy/beam]';
comment on column image.rms_grid is 'Local rms at cell centres, row by row [Jy/beam]';

-- The running catalogue. Nothing that an image updates is indexed, so updates stay HOT;
-- zone, search_ra, search_dec are the position at creation, rewritten only after a drift.
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
    first_image bigint not null references image (id),
    first_source_number int not null,
    first_time_start timestamptz not null,
    last_time_start timestamptz not null,
    is_new boolean not null default false,
    is_variable boolean not null default false
) with (fillfactor = 50);
create index on source (stream_id, zone, search_ra, search_dec);
comment on column source.zone is 'floor(search_dec / 0.5) [-]';
comment on column source.ra is 'Weighted mean right ascension, ICRS [deg]';
comment on column source.dec is 'Weighted mean declination, ICRS [deg]';
comment on column source.weight_ra is 'Sum of 1/ra_err^2 of its points, statistical errors [1/deg^2]';
comment on column source.weight_dec is 'Sum of 1/dec_err^2 of its points, statistical errors [1/deg^2]';
comment on column source.eta is 'Reduced chi-square against a constant flux, largest of its bands [-]';
comment on column source.v is 'Coefficient of variation in that band [-]';

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
) with (fillfactor = 50);
comment on column source_band.flux_int_m2 is 'Sum of squared deviations from the mean (Welford) [Jy^2]';
comment on column source_band.flux_int_wm2 is 'The same, weighted by 1/err^2 (West) [-]';

create table detection (
    image bigint not null,
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
    primary key (time_start, image, source_number)
) partition by range (time_start);
create index on detection (source_id, time_start);
comment on table detection is 'Every measurement; a partition a month, made by ensure_detection_partition';
comment on column detection.de_ruiter_radius is 'Distance to its source by its error; null for its first [-]';

create function ensure_detection_partition(moment timestamptz) returns void
language plpgsql
as $$
declare
    month_start timestamp := date_trunc('month', moment at time zone 'UTC');
    name text := 'detection_' || to_char(month_start, 'YYYY_MM');
begin
    if to_regclass(name) is not null then
        return;
    end if;
    perform pg_advisory_xact_lock(hashtext(name));
    if to_regclass(name) is not null then
        return;
    end if;
    -- Attaching a finished table locks out no reader; "create partition of" would.
    execute format('create table %I (like detection including defaults including constraints)', name);
    execute format(
        'alter table detection attach partition %I for values from (%L) to (%L)',
        name,
        month_start at time zone 'UTC',
        (month_start + interval '1 month') at time zone 'UTC'
    );
end
$$;

-- A measurement that belongs to a second source too (n-1): the first one is in detection.source_id.
create table shared_detection (
    source_id bigint not null references source (id),
    time_start timestamptz not null,
    image bigint not null,
    source_number int not null,
    de_ruiter_radius float8 not null,
    primary key (source_id, time_start, image, source_number)
);

-- The deepest earlier image of each field, band and Stokes parameter.
create table deepest_look (
    band_id int not null references band (id),
    stokes text not null,
    field_key text not null,
    image bigint not null references image (id),
    rms_jy_beam float8 not null,
    primary key (band_id, stokes, field_key)
);

create table transient (
    id bigint generated always as identity primary key,
    event_id text not null unique,
    trig_id text not null,
    source_id bigint not null references source (id),
    stream_id int not null references stream (id),
    kind text not null check (kind in ('new_source', 'variable')),
    certainty text not null check (certainty in ('certain', 'possible')),
    state text not null check (state in ('active', 'retracted')),
    image bigint not null references image (id),
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
    unique (source_id, kind)
);
create index on transient (time_detected desc, id desc);
comment on column transient.time_start is 'Start of the exposure that showed it';
comment on column transient.time_detected is 'When the associator decided';

create table outbox (
    id bigint generated always as identity primary key,
    topic text not null,
    key text not null,
    value bytea not null,
    time_created timestamptz not null default now()
);
comment on table outbox is 'Events written with the rows they tell of; deleted once Kafka has them';

create table consumed_offset (
    cluster_id text not null,
    topic text not null,
    partition int not null,
    next_offset bigint not null,
    primary key (cluster_id, topic, partition)
);
comment on table consumed_offset is 'Where the associator goes on; written with the rows';

create table image_ledger (
    source_cluster_id text not null,
    source_topic text not null,
    source_partition int not null,
    source_offset bigint not null,
    stream text not null,
    image_id text not null,
    outcome text not null check (outcome in ('processed', 'rejected', 'duplicate', 'late')),
    reasons text[] not null,
    time_recorded timestamptz not null default now(),
    primary key (source_cluster_id, source_topic, source_partition, source_offset)
);
comment on table image_ledger is 'Every image that Kafka ever took, and what became of it';

-- Sums of image_ledger, kept with it: asking how the books stand costs the same for ever.
create table ledger_total (
    stream text not null,
    outcome text not null,
    reason text not null,
    n_images bigint not null,
    primary key (stream, outcome, reason)
) with (fillfactor = 50);
comment on column ledger_total.reason is 'First reason of a rejection, else empty';

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
    kafka_low_watermark jsonb,
    time_published timestamptz,
    time_broadcast timestamptz
);
create index on alert (transient_id);
create index on alert (trig_id);
create index on alert (id) where time_published is null or time_broadcast is null;
comment on column alert.latency_s is 'From Kafka append of the image to the alert [s]';
comment on column alert.kafka_low_watermark is 'Ends of the alert topics before it was sent';

-- Return a page of images that pass filters, in any order.
--
-- $1   since                 timestamptz
-- $2   until                 timestamptz
-- $3   stream                text
-- $4   verdict               text
-- $5   min_rms_jy_beam       float8       [Jy/beam]
-- $6   max_rms_jy_beam       float8       [Jy/beam]
-- $7   min_exposure_s        float8       [s]
-- $8   max_exposure_s        float8       [s]
-- $9   min_freq_eff_hz       float8       [Hz]
-- $10  max_freq_eff_hz       float8       [Hz]
-- $11  min_freq_bw_hz        float8       [Hz]
-- $12  max_freq_bw_hz        float8       [Hz]
-- $13  min_beam_major_deg    float8       [deg]
-- $14  max_beam_major_deg    float8       [deg]
-- $15  min_field_radius_deg  float8       [deg]
-- $16  max_field_radius_deg  float8       [deg]
-- $17  min_n_sources         int          [-]
-- $18  max_n_sources         int          [-]
-- $19  sort                  text         id, time_start or a quantity without min_
-- $20  is_ascending          boolean
-- $21  after_key             float8       quantity of the last one of the previous page
-- $22  after_time            timestamptz  its time_start, in that order
-- $23  after_id              bigint
-- $24  limit                 int          [-]
-- Null leaves a filter out; an image without the quantity that orders the list is not in it.
-- Index, if the plan is made for the parameters: the primary key; image by (time_start, image_key),
-- (rms_jy_beam, image_key) and (n_sources, image_key); others scan.
with keyed as (
    select
        image.*,
        case $19::text
            when 'rms_jy_beam' then image.rms_jy_beam
            when 'exposure_s' then image.exposure_s
            when 'freq_eff_hz' then image.freq_eff_hz
            when 'freq_bw_hz' then image.freq_bw_hz
            when 'beam_major_deg' then image.beam_major_deg
            when 'field_radius_deg' then image.field_radius_deg
            when 'n_sources' then image.n_sources::float8
        end as sort_key
    from image
    where
        ($1::timestamptz is null or image.time_start >= $1)
        and ($2::timestamptz is null or image.time_start < $2)
        and (
            $3::text is null
            or image.stream_id = (
                select stream.id from stream
                where stream.name = $3
            )
        )
        and ($4::text is null or image.verdict = $4)
        and ($5::float8 is null or (image.rms_jy_beam >= $5 and image.rms_jy_beam <> 'nan'))
        and ($6::float8 is null or image.rms_jy_beam <= $6)
        and ($7::float8 is null or image.exposure_s >= $7)
        and ($8::float8 is null or image.exposure_s <= $8)
        and ($9::float8 is null or image.freq_eff_hz >= $9)
        and ($10::float8 is null or image.freq_eff_hz <= $10)
        and ($11::float8 is null or image.freq_bw_hz >= $11)
        and ($12::float8 is null or image.freq_bw_hz <= $12)
        and ($13::float8 is null or image.beam_major_deg >= $13)
        and ($14::float8 is null or image.beam_major_deg <= $14)
        and ($15::float8 is null or image.field_radius_deg >= $15)
        and ($16::float8 is null or image.field_radius_deg <= $16)
        and ($17::int is null or image.n_sources::float8 >= $17::float8)
        and ($18::int is null or image.n_sources::float8 <= $18::float8)
),

page as (
    select keyed.*
    from keyed
    where
        ($19 in ('id', 'time_start') or keyed.sort_key < 'nan')
        and ($19 <> 'time_start' or keyed.time_start is not null)
        and (
            $23::bigint is null
            or (
                $20::boolean
                and (
                    ($19 = 'id' and keyed.image_key > $23)
                    or ($19 = 'time_start' and (keyed.time_start, keyed.image_key) > ($22::timestamptz, $23))
                    or (keyed.sort_key, keyed.image_key) > ($21::float8, $23)
                )
            )
            or (
                not $20
                and (
                    ($19 = 'id' and keyed.image_key < $23)
                    or ($19 = 'time_start' and (keyed.time_start, keyed.image_key) < ($22, $23))
                    or (keyed.sort_key, keyed.image_key) < ($21, $23)
                )
            )
        )
    order by
        case when $20 and $19 = 'time_start' then keyed.time_start end,
        case when $20 and $19 not in ('id', 'time_start') then keyed.sort_key end,
        case when $20 then keyed.image_key end,
        case when not $20 and $19 = 'time_start' then keyed.time_start end desc,
        case when not $20 and $19 not in ('id', 'time_start') then keyed.sort_key end desc,
        case when not $20 then keyed.image_key end desc
    limit $24::int
)

select
    page.image_key as id,
    page.image_id,
    stream.name as stream,
    page.verdict,
    page.reasons,
    page.reason_text,
    page.warnings,
    page.time_start,
    page.exposure_s,
    page.freq_eff_hz,
    page.freq_bw_hz,
    page.stokes,
    page.beam_major_deg,
    page.beam_minor_deg,
    page.beam_pa_deg,
    page.field_ra,
    page.field_dec,
    page.field_radius_deg,
    page.width_px,
    page.height_px,
    page.telescope,
    page.rms_jy_beam,
    page.n_sources,
    page.is_late,
    page.shift_status,
    page.n_shift_sources,
    page.shift_east_arcsec,
    page.shift_north_arcsec,
    page.shift_err_arcsec,
    page.is_shift_applied,
    page.flux_status,
    page.n_flux_sources,
    page.flux_factor,
    page.flux_factor_err,
    page.is_flux_factor_applied,
    page.time_sent,
    page.time_appended,
    page.time_extracted,
    page.time_associated,
    page.sort_key
from page
inner join stream on page.stream_id = stream.id
order by
    case when $20 and $19 = 'time_start' then page.time_start end,
    case when $20 and $19 not in ('id', 'time_start') then page.sort_key end,
    case when $20 then page.image_key end,
    case when not $20 and $19 = 'time_start' then page.time_start end desc,
    case when not $20 and $19 not in ('id', 'time_start') then page.sort_key end desc,
    case when not $20 then page.image_key end desc

-- Insert monitors of a stream; return no row, and write none, if it had more than it may have.
--
-- $1  stream               text
-- $2  name                 text[]
-- $3  ra                   float8[]  at the epoch [deg]
-- $4  dec                  float8[]  at the epoch [deg]
-- $5  pm_ra_cosdec_mas_yr  float8[]  [mas/yr]
-- $6  pm_dec_mas_yr        float8[]  [mas/yr]
-- $7  epoch_yr             float8[]  Julian year [yr]
-- $8  max_monitors         int       most monitors of a stream [-]
-- A position that has a monitor already, or comes twice, gets the last name and motion.
-- Index: monitor (stream, ra, dec).
with wanted as (
    select distinct on (row_in.ra, row_in.dec)
        row_in.name,
        row_in.ra,
        row_in.dec,
        row_in.pm_ra_cosdec_mas_yr,
        row_in.pm_dec_mas_yr,
        row_in.epoch_yr
    from
        unnest($2::text[], $3::float8[], $4::float8[], $5::float8[], $6::float8[], $7::float8[])
        with ordinality
            as row_in (name, ra, dec, pm_ra_cosdec_mas_yr, pm_dec_mas_yr, epoch_yr, place)
    order by row_in.ra asc, row_in.dec asc, row_in.place desc
),

counted as (
    select
        count(*) - count(monitor.id) as n_added,
        count(monitor.id) as n_changed,
        (
            select count(*)
            from monitor as each_one
            where each_one.stream = $1::text
        ) as n_monitors
    from wanted
    left join monitor on monitor.stream = $1 and wanted.ra = monitor.ra and wanted.dec = monitor.dec
),

allowed as (
    select
        counted.n_added,
        counted.n_changed
    from counted
    where counted.n_added = 0 or counted.n_monitors + counted.n_added <= $8::int
),

written as (
    insert into monitor (stream, name, ra, dec, pm_ra_cosdec_mas_yr, pm_dec_mas_yr, epoch_yr)
    select
        $1::text as stream,
        wanted.name,
        wanted.ra,
        wanted.dec,
        wanted.pm_ra_cosdec_mas_yr,
        wanted.pm_dec_mas_yr,
        wanted.epoch_yr
    from wanted
    cross join allowed
    on conflict (stream, ra, dec) do update
        set
            name = excluded.name,
            pm_ra_cosdec_mas_yr = excluded.pm_ra_cosdec_mas_yr,
            pm_dec_mas_yr = excluded.pm_dec_mas_yr,
            epoch_yr = excluded.epoch_yr
)

select
    allowed.n_added,
    allowed.n_changed
from allowed

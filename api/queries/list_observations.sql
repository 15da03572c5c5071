-- Return images that meet the parameters of a query of SIA, newest first.
--
-- $1  spans    jsonb  parameter name, least and greatest value; one of each name must be met
-- $2  texts    jsonb  parameter name, value; one of each name must be met
-- $3  circles  jsonb  ra, dec, radius_deg [deg]; null with $4 and $5: anywhere
-- $4  ranges   jsonb  ra_low, ra_high, dec_low, dec_high [deg]
-- $5  sides    jsonb  number of the shape, is_closed, ends a and b, unit normal n (x, y, z)
-- $6  limit    int    [-]
-- Index: none; questions of others have a budget and a time limit.
select
    obscore.dataproduct_type,
    obscore.calib_level,
    obscore.obs_collection,
    obscore.obs_id,
    obscore.obs_publisher_did,
    obscore.access_url,
    obscore.access_format,
    obscore.access_estsize,
    obscore.target_name,
    obscore.s_ra,
    obscore.s_dec,
    obscore.s_fov,
    obscore.s_region,
    obscore.s_xel1,
    obscore.s_xel2,
    obscore.s_resolution,
    obscore.t_min,
    obscore.t_max,
    obscore.t_exptime,
    obscore.t_resolution,
    obscore.t_xel,
    obscore.em_min,
    obscore.em_max,
    obscore.em_res_power,
    obscore.em_xel,
    obscore.o_ucd,
    obscore.pol_states,
    obscore.pol_xel,
    obscore.facility_name,
    obscore.instrument_name
from ivoa.obscore
cross join
    lateral (
        select
            cosd(obscore.s_dec) * cosd(obscore.s_ra) as x,
            cosd(obscore.s_dec) * sind(obscore.s_ra) as y,
            sind(obscore.s_dec) as z,
            obscore.s_fov / 2 as radius_deg
    ) as field
where
    not exists (
        select from jsonb_to_recordset($1::jsonb) as asked (name text, low float8, high float8)
        group by asked.name
        having
            not coalesce(bool_or(case asked.name
                when 'BAND' then obscore.em_min <= asked.high and obscore.em_max >= asked.low
                when 'TIME' then obscore.t_min <= asked.high and obscore.t_max >= asked.low
                when 'FOV' then obscore.s_fov between asked.low and asked.high
                when 'SPATRES' then obscore.s_resolution between asked.low and asked.high
                when 'SPECRP' then obscore.em_res_power between asked.low and asked.high
                when 'EXPTIME' then obscore.t_exptime between asked.low and asked.high
                when 'TIMERES' then obscore.t_resolution between asked.low and asked.high
                when 'CALIB' then obscore.calib_level between asked.low and asked.high
            end), false)
    )
    and not exists (
        select from jsonb_to_recordset($2::jsonb) as asked (name text, value text)
        group by asked.name
        having
            not coalesce(bool_or(asked.value = case asked.name
                when 'POL' then btrim(obscore.pol_states, '/')
                when 'ID' then obscore.obs_publisher_did
                when 'COLLECTION' then obscore.obs_collection
                when 'FACILITY' then obscore.facility_name
                when 'INSTRUMENT' then obscore.instrument_name
                when 'DPTYPE' then obscore.dataproduct_type
                when 'TARGET' then obscore.target_name
                when 'FORMAT' then obscore.access_format
            end), false)
    )
    and (
        $3::jsonb is null
        or exists (
            select from jsonb_to_recordset($3::jsonb) as circle (ra float8, dec float8, radius_deg float8)
            where
                sind((obscore.s_dec - circle.dec) / 2) ^ 2
                + cosd(obscore.s_dec) * cosd(circle.dec) * sind((obscore.s_ra - circle.ra) / 2) ^ 2
                <= sind(least(circle.radius_deg + field.radius_deg, 180) / 2) ^ 2 + 1e-15
        )
        or exists (
            select
            from
                jsonb_to_recordset($4::jsonb)
                    as box (
                        ra_low float8, ra_high float8, dec_low float8, dec_high float8
                    )
            where
                obscore.s_ra between box.ra_low and box.ra_high
                and obscore.s_dec between box.dec_low - field.radius_deg and box.dec_high + field.radius_deg
        )
        or exists (
            select
            from
                jsonb_to_recordset($5::jsonb)
                    as side (
                        number int, is_closed bool, ax float8, ay float8, az float8, bx float8, by float8,
                        bz float8, nx float8, ny float8, nz float8
                    )
            cross join
                lateral (
                    select
                        field.x * side.nx + field.y * side.ny + field.z * side.nz as n,
                        field.x * side.ax + field.y * side.ay + field.z * side.az as a,
                        field.x * side.bx + field.y * side.by + field.z * side.bz as b,
                        side.ax * side.bx + side.ay * side.by + side.az * side.bz as ab
                ) as along
            group by side.number
            having
                -- Inside; near an end of a side; or near a side, at a foot between its ends.
                bool_and(side.is_closed and along.n >= -1e-12)
                or bool_or(greatest(along.a, along.b) >= cosd(least(field.radius_deg, 180)) - 1e-15)
                or bool_or(
                    side.nx ^ 2 + side.ny ^ 2 + side.nz ^ 2 > 0.5
                    and abs(along.n) <= sind(least(field.radius_deg, 90))
                    and along.b >= along.ab * along.a
                    and along.a >= along.ab * along.b
                )
        )
    )
order by obscore.t_min desc
limit $6::int
